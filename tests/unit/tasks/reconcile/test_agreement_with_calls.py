"""Facts on which receivers and calls have to agree, though neither imports the other."""

from __future__ import annotations

from livekit.protocol import models

from pipeline import presence
from tasks import livekit_api


def test_receivers_and_calls_count_the_same_kinds_of_participants_as_callers() -> None:
    kinds = models.ParticipantInfo.Kind
    people = [models.ParticipantInfo(kind=name) for name in kinds.keys()]  # noqa: SIM118 - protobuf's wrapper is no mapping
    receivers = [livekit_api.is_caller(person) for person in people]
    assert receivers == [presence.is_caller(person) for person in people]
    assert receivers.count(False) == 2
