"""Facts on which receivers and calls have to agree, though neither imports the other."""

from __future__ import annotations

from livekit.protocol import models

from pipeline import presence
from tasks import livekit_api
from tasks.reconcile.livekit_sync import NO_CALLER_REASONS


def test_the_reasons_of_a_call_without_a_caller_are_those_of_the_pipeline() -> None:
    nobody_came, empty, too_long = (reason.value for reason in presence.EndReason)
    assert {nobody_came, empty} == NO_CALLER_REASONS
    assert too_long not in NO_CALLER_REASONS


def test_receivers_and_calls_count_the_same_kinds_of_participants_as_callers() -> None:
    kinds = models.ParticipantInfo.Kind
    receivers = [livekit_api.is_caller(models.ParticipantInfo(kind=name)) for name in kinds.keys()]  # noqa: SIM118 - protobuf's wrapper is no mapping
    assert receivers == [presence.is_caller(kind) for kind in kinds.values()]
    assert receivers.count(False) == 2
