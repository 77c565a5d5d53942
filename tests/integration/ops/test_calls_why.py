"""`switchboard calls why`, for each reason that a room can have."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from click.testing import CliRunner

from ops.cli import main
from tasks.rooms import Intake, Limits, LossCause, RoomStore, WorkerStatus, keys
from tests.support.rooms import open_some_room

BUSY_WORKER = WorkerStatus(
    "one@host", ("premium",), slots=2, idle=1, load=0.9, reserved=0.1, state=Intake.LOAD, pid=1, busy=1
)
OPEN_WORKER = WorkerStatus("two@host", ("premium",), slots=2, idle=2, load=0.1, reserved=0.0, state=Intake.OPEN, pid=2)


@pytest.fixture(autouse=True)
def redis_url(switchboard_env: dict[str, str], rooms: RoomStore) -> None:
    """The command's environment."""


async def why(room: str) -> str:
    done = await asyncio.to_thread(CliRunner().invoke, main, ["calls", "why", room])
    assert done.exit_code == 0, done.output
    return str(done.stdout)


async def causes(room: str) -> list[str]:
    done = await asyncio.to_thread(CliRunner().invoke, main, ["calls", "why", room, "--json"])
    explained: dict[str, Any] = json.loads(done.stdout)
    return list(explained["causes"])


async def open_room(rooms: RoomStore, number: int, limits: Limits | None = None) -> None:
    await open_some_room(
        rooms,
        f"RM_{number}",
        name=f"call-acme-{number}",
        message=f"message {number}".encode(),
        limits=limits or Limits(),
    )


async def beat(rooms: RoomStore, status: WorkerStatus) -> None:
    await rooms.redis.hset(keys.worker(status.node), mapping=cast("Any", status.fields()))
    await rooms.redis.pexpire(keys.worker(status.node), 60_000)


async def test_a_room_over_its_tenants_limit_names_the_calls_that_hold_the_permits(rooms: RoomStore) -> None:
    for number in range(1, 5):
        await open_room(rooms, number, Limits(tenant=2, tier=50))
    await rooms.claim("RM_1", 1, claimant="a", worker="one@host", pid=7)

    said = (await why("call-acme-4")).splitlines()

    assert said[0].startswith("call-acme-4 (RM_4) is waiting, for 0 s; tenant acme, tier premium, attempt 1")
    assert "because its tenant has as many calls as it may (max_calls)" in said
    assert "because calls of its tenant that have waited for longer come first" in said
    # Before it: one that is queued and one that waits. One that runs is answered.
    assert "position: 3 among the calls of acme" in said
    holders = "call-acme-1 (running, one@host), call-acme-2 (queued)"
    assert f"limit of the tenant: 2 of 2 held, by {holders}" in said
    assert "limit of the tier: 2 of 50 held" in said
    assert await causes("RM_3") == ["tenant limit"]


async def test_a_room_over_the_limit_of_its_tier_or_of_unclaimed_rooms_says_so(rooms: RoomStore) -> None:
    for number in (1, 2):
        await open_room(rooms, number, Limits(tier=1, unclaimed=1))

    assert await causes("RM_2") == ["tier limit", "unclaimed limit"]
    await rooms.claim("RM_1", 1, claimant="a", worker="one@host", pid=7)
    assert await causes("RM_2") == ["tier limit"]


async def test_a_queued_room_names_each_workers_reason_to_take_no_call(rooms: RoomStore) -> None:
    for number in (1, 2):
        await open_room(rooms, number)
    assert await causes("RM_2") == ["no worker"]

    await beat(rooms, BUSY_WORKER)
    said = await why("RM_2")
    assert "because each worker of its queue has a reason to take no call now" in said
    assert "queue premium: 1 before it" in said
    assert "  one@host: load over the threshold; 1 idle, 1 busy, load 90% and 10% reserved" in said.splitlines()

    await beat(rooms, OPEN_WORKER)
    assert await causes("RM_2") == ["soon"]


async def test_a_room_whose_attempts_fail_says_how_long_the_next_one_is_held_back(rooms: RoomStore) -> None:
    await open_room(rooms, 1)
    for attempt in (1, 2):
        await rooms.claim("RM_1", attempt, claimant="a", worker="w", pid=1)
        await rooms.requeue(
            *("RM_1", attempt),
            queue="premium",
            message=b"{}",
            reason="no such voice",
            max_attempts=9,
            cause=LossCause.FAILED,
        )
    await beat(rooms, OPEN_WORKER)

    said = await why("RM_1")

    assert "because attempts have failed within seconds, and the next one has a delay" in said
    assert "the last attempt: no such voice" in said


async def test_a_room_that_does_not_wait_says_what_it_does_instead(rooms: RoomStore) -> None:
    await open_room(rooms, 1)
    await rooms.claim("RM_1", 1, claimant="a", worker="one@host", pid=7)
    assert "answered by one@host, process 7" in await why("RM_1")
    await rooms.dead_letter("RM_1", attempt=1, reason="no provider")
    assert "reason: no provider; switchboard dead replay RM_1" in await why("call-acme-1")


async def test_a_room_that_redis_does_not_know_says_what_may_be_the_matter(rooms: RoomStore) -> None:
    await rooms.waitlist.await_tenant("RM_7", "nameless")
    await rooms.dead_letter("RM_8", attempt=None, reason="no such tenant", name="call-nobody-1")
    await rooms.redis.delete(keys.room("RM_8"))

    problems = [
        str((await asyncio.to_thread(CliRunner().invoke, main, ["calls", "why", room])).stderr)
        for room in ("nameless", "call-nobody-1", "RM_9")
    ]

    assert problems[0].startswith("nameless names no tenant yet, for 0 s. Put tenant_id into its metadata")
    assert problems[1].startswith("call-nobody-1 could not be answered: no such tenant (switchboard dead show ")
    assert problems[2].startswith("Redis knows no room RM_9. If LiveKit has it, no webhook of it has arrived")
