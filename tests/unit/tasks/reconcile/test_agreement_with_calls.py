"""Facts on which receivers and calls have to agree, though neither imports the other."""

from __future__ import annotations

from livekit.protocol import models

from pipeline import presence
from pipeline.options import CallOptions, ProviderOptions, Secret, VoiceAgentOptions
from tasks import livekit_api
from tasks.reconcile.absent_agents import agent_identity


def test_receivers_and_calls_count_the_same_kinds_of_participants_as_callers() -> None:
    kinds = models.ParticipantInfo.Kind
    people = [models.ParticipantInfo(kind=name) for name in kinds.keys()]  # noqa: SIM118 - protobuf's wrapper is no mapping
    receivers = [livekit_api.is_caller(person) for person in people]
    assert receivers == [presence.is_caller(person) for person in people]
    assert receivers.count(False) == 2


def test_receivers_look_for_an_agent_by_the_identity_that_its_call_gives_it() -> None:
    options = CallOptions(
        room_sid="RM_1",
        room_name="call-acme-1",
        attempt=12,
        livekit_url="",
        livekit_api_key="",
        livekit_api_secret=Secret(""),
        worker="",
        agent_metadata="",
        voice=VoiceAgentOptions(ProviderOptions("local"), ProviderOptions("local"), ProviderOptions("local")),
    )
    assert agent_identity("RM_1", 12) == options.identity
