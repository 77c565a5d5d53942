"""What the receivers and the calls must agree on, though neither imports the other."""

from __future__ import annotations

from pipeline.presence import Ending
from tasks.reconcile.livekit_sync import ALONE


def test_a_room_counts_as_left_alone_for_the_reasons_that_the_call_gives() -> None:
    nobody_came, empty, too_long = (ending.value for ending in Ending)
    assert {nobody_came, empty} == ALONE
    assert too_long not in ALONE
