from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.protocol.models import ParticipantInfo, ParticipantPermission

from pipeline.options import CallLimits
from pipeline.presence import EndReason, Presence, is_caller

SOON, NEVER = 0.02, 3600.0
STANDARD = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
SIP = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
EGRESS = rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS


@dataclass(frozen=True)
class Person:
    kind: int
    permissions: ParticipantPermission = field(default_factory=ParticipantPermission)


@dataclass
class Room(rtc.EventEmitter[Any]):
    """What Presence sees of a room: who is there, and events."""

    remote_participants: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def join(self, identity: str, kind: int, *, hidden: bool = False) -> None:
        self.remote_participants[identity] = Person(kind, ParticipantPermission(hidden=hidden))
        self.emit("participant_connected", self.remote_participants[identity])

    def leave(self, identity: str) -> None:
        self.emit("participant_disconnected", self.remote_participants.pop(identity))


Watch = Callable[..., tuple[Room, Presence]]


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Watch:
    def start(**limits: float) -> tuple[Room, Presence]:
        room = Room()
        given = {"join_seconds": NEVER, "empty_grace_seconds": SOON, "length_seconds": NEVER} | limits
        presence = Presence(cast("rtc.Room", room), CallLimits(**given))
        request.addfinalizer(presence.close)
        return room, presence

    return start


async def ending(presence: Presence) -> EndReason:
    return await asyncio.wait_for(presence.ended, 5)


async def goes_on(presence: Presence) -> None:
    """The grace time is over, by several times, and the call is not."""
    await asyncio.sleep(5 * SOON)
    assert not presence.ended.done()


@pytest.mark.parametrize("kind", [STANDARD, SIP])
async def test_the_call_ends_when_the_last_caller_has_left(watch: Watch, kind: int) -> None:
    room, presence = watch()
    room.join("one", kind)
    room.join("two", kind)
    room.leave("one")
    await goes_on(presence)
    room.leave("two")
    assert await ending(presence) is EndReason.EMPTY


@pytest.mark.parametrize("kind", [AGENT, EGRESS])
async def test_agents_and_recorders_do_not_keep_a_call_alive(watch: Watch, kind: int) -> None:
    room, presence = watch()
    room.join("caller", STANDARD)
    room.join("company", kind)
    room.leave("caller")
    assert await ending(presence) is EndReason.EMPTY


async def test_a_supervisor_whom_nobody_sees_keeps_no_call_alive(watch: Watch) -> None:
    room, presence = watch()
    room.join("supervisor", STANDARD, hidden=True)
    assert not presence.came
    room.join("caller", STANDARD)
    room.leave("caller")
    assert await ending(presence) is EndReason.EMPTY


async def test_a_caller_who_is_hidden_from_now_on_is_none_any_more(watch: Watch) -> None:
    room, presence = watch()
    room.join("supervisor", STANDARD)
    room.remote_participants["supervisor"] = hidden = Person(STANDARD, ParticipantPermission(hidden=True))
    room.emit("participant_permissions_changed", hidden, hidden.permissions)
    assert await ending(presence) is EndReason.EMPTY


@pytest.mark.parametrize("permission", [ParticipantPermission(hidden=True), ParticipantPermission(recorder=True)])
def test_who_is_hidden_or_records_is_no_caller_in_the_servers_list_either(permission: ParticipantPermission) -> None:
    assert is_caller(ParticipantInfo(kind=ParticipantInfo.Kind.STANDARD))
    assert not is_caller(ParticipantInfo(permission=permission))


async def test_a_caller_who_comes_back_in_time_keeps_the_call_and_may_leave_again(watch: Watch) -> None:
    room, presence = watch(empty_grace_seconds=0.2)
    room.join("caller", STANDARD)
    room.leave("caller")
    room.join("caller", STANDARD)
    await asyncio.sleep(0.4)
    assert not presence.ended.done()
    room.leave("caller")
    assert await ending(presence) is EndReason.EMPTY


async def test_the_call_ends_when_nobody_comes(watch: Watch) -> None:
    room, presence = watch(join_seconds=SOON)
    room.join("another agent", AGENT)
    assert await ending(presence) is EndReason.NOBODY_CAME


async def test_a_caller_who_was_there_before_the_agent_counts(watch: Watch) -> None:
    room, presence = watch(join_seconds=5 * SOON)
    room.remote_participants["caller"] = Person(STANDARD)
    room.emit("connection_state_changed", rtc.ConnectionState.CONN_CONNECTED)
    await goes_on(presence)
    room.leave("caller")
    assert await ending(presence) is EndReason.EMPTY


async def test_a_call_has_a_maximum_length(watch: Watch) -> None:
    room, presence = watch(length_seconds=SOON)
    room.join("caller", STANDARD)
    assert await ending(presence) is EndReason.TOO_LONG


async def test_nothing_happens_after_the_call_is_closed(watch: Watch) -> None:
    room, presence = watch()
    room.join("caller", STANDARD)
    presence.close()
    room.leave("caller")
    await goes_on(presence)
