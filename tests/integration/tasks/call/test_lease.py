from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, cast

import pytest

from ops.stack.redis import RedisServer
from tasks.call.lease import LeaseKeeper
from tasks.rooms import Refusal, Room, RoomStore
from tasks.settings import Settings

if TYPE_CHECKING:
    from pipeline.call import Call


class EndedCall:
    """What the keeper may do to a call, and what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.told = asyncio.Event()

    def hang_up(self, reason: str) -> None:
        self.done.append(f"hang up: {reason}")
        self.told.set()

    async def leave(self, reason: str) -> None:
        self.done.append(f"leave: {reason}")
        self.told.set()


async def claimed(rooms: RoomStore) -> Room:
    await rooms.open(
        sid="RM_1",
        name="n",
        tenant="acme",
        tier="premium",
        queue="premium",
        message=b"",
        started_at_ms=None,
        received_at_ms=0,
    )
    claim = await rooms.claim("RM_1", 1, claimant="a", worker="w", pid=1)
    assert not isinstance(claim, Refusal)
    return claim.room


@pytest.fixture
def settings(switchboard_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "50")
    monkeypatch.setenv("SWITCHBOARD_REDIS_OUTAGE_SECONDS", "0.5")
    return Settings.read()


async def start(
    rooms: RoomStore, settings: Settings, *, claimed_ago: float = 0
) -> tuple[LeaseKeeper, EndedCall, asyncio.Task[None]]:
    call = EndedCall()
    keeper = LeaseKeeper(rooms, await claimed(rooms), settings, claimed_at=time.monotonic() - claimed_ago)
    return keeper, call, asyncio.create_task(keeper.keep(cast("Call", call)))


async def test_a_call_that_is_over_at_once_still_stops_its_keeper(rooms: RoomStore, settings: Settings) -> None:
    for yields in range(60):
        await rooms.redis.flushdb()
        keeper, _, keeping = await start(rooms, settings)
        for _ in range(yields):
            await asyncio.sleep(0)
        keeper.stop()
        await asyncio.wait_for(keeping, 5)


async def test_steps_are_written_with_the_time_at_which_they_were_reached(rooms: RoomStore, settings: Settings) -> None:
    # Between the claim and its keeper are the tenant and its keys.
    keeper, _, keeping = await start(rooms, settings, claimed_ago=40)
    keeper.step("joined")
    keeper.step("first_audio")
    keeper.stop()
    await asyncio.wait_for(keeping, 5)
    room = await rooms.get("RM_1")
    assert room is not None
    for step in ("joined", "first_audio"):
        assert 40_000 <= room.steps_ms[step] - room.steps_ms["claimed"] < 45_000


async def test_a_lost_lease_makes_the_call_leave_at_once(rooms: RoomStore, settings: Settings) -> None:
    _, call, keeping = await start(rooms, settings)
    await rooms.lose("RM_1", 1, queue="premium", message=b"", reason="", max_attempts=5)
    await asyncio.wait_for(keeping, 5)
    assert call.done == ["leave: lease lost"]


async def test_a_room_that_has_finished_makes_the_call_hang_up(rooms: RoomStore, settings: Settings) -> None:
    keeper, call, keeping = await start(rooms, settings)
    await rooms.close("RM_1")
    await asyncio.wait_for(call.told.wait(), 5)
    keeper.stop()
    await asyncio.wait_for(keeping, 5)
    assert set(call.done) == {"hang up: room finished"}


async def test_the_call_goes_on_while_redis_is_away_but_not_for_ever(
    rooms: RoomStore, settings: Settings, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    _, call, keeping = await start(rooms, settings)
    with caplog.at_level(logging.ERROR, "switchboard.tasks.lease"):
        redis_server.kill()
        await redis_server.exited()
        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(keeping, 10)
    assert asyncio.get_running_loop().time() - began >= settings.redis_outage_seconds - 0.1
    assert call.done == ["leave: lease lost"]
    await redis_server.start()
