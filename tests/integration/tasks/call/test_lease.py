from __future__ import annotations

import asyncio
import logging
import time

import pytest

from ops.stack.redis import RedisServer
from tasks.call.lease import LeaseRenewer
from tasks.rooms import ClaimRefusal, Room, RoomStore
from tasks.settings import Settings


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
    room = await rooms.claim("RM_1", 1, claimant="a", worker="w", pid=1)
    assert not isinstance(room, ClaimRefusal)
    return room


@pytest.fixture
def settings(switchboard_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SWITCHBOARD_LEASE_RENEW_MS", "50")
    monkeypatch.setenv("SWITCHBOARD_REDIS_OUTAGE_SECONDS", "0.5")
    return Settings.read()


async def start(
    rooms: RoomStore, settings: Settings, *, claimed_ago: float = 0
) -> tuple[LeaseRenewer, asyncio.Task[None]]:
    lease = LeaseRenewer(rooms, await claimed(rooms), settings, claimed_at=time.monotonic() - claimed_ago)
    return lease, asyncio.create_task(lease.run())


async def test_the_renewal_of_a_call_that_is_over_at_once_still_stops(rooms: RoomStore, settings: Settings) -> None:
    for yields in range(60):
        await rooms.redis.flushdb()
        lease, renewing = await start(rooms, settings)
        for _ in range(yields):
            await asyncio.sleep(0)
        lease.stop()
        await asyncio.wait_for(renewing, 5)
        assert not lease.lost.is_set()


async def test_steps_are_written_with_the_time_at_which_they_were_reached(rooms: RoomStore, settings: Settings) -> None:
    # Between the claim and the renewal are the tenant and its keys.
    lease, renewing = await start(rooms, settings, claimed_ago=40)
    lease.record_step("joined")
    lease.record_step("first_audio")
    lease.stop()
    await asyncio.wait_for(renewing, 5)
    room = await rooms.get("RM_1")
    assert room is not None
    for step in ("joined", "first_audio"):
        assert 40_000 <= room.steps_ms[step] - room.steps_ms["claimed"] < 45_000


async def test_the_renewal_ends_when_the_lease_is_lost(rooms: RoomStore, settings: Settings) -> None:
    lease, renewing = await start(rooms, settings)
    await rooms.requeue("RM_1", 1, queue="premium", message=b"", reason="", max_attempts=5)
    await asyncio.wait_for(renewing, 5)
    assert lease.lost.is_set()
    assert not lease.closing.is_set()


async def test_a_lease_is_renewed_while_its_room_is_closing(rooms: RoomStore, settings: Settings) -> None:
    lease, renewing = await start(rooms, settings)
    await rooms.close("RM_1")
    await asyncio.wait_for(lease.closing.wait(), 5)
    assert not lease.lost.is_set()
    lease.stop()
    await asyncio.wait_for(renewing, 5)


async def test_a_lease_counts_as_kept_while_redis_is_away_but_not_for_ever(
    rooms: RoomStore, settings: Settings, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    lease, renewing = await start(rooms, settings)
    with caplog.at_level(logging.ERROR, "switchboard.tasks.call"):
        redis_server.kill()
        await redis_server.exited()
        began = asyncio.get_running_loop().time()
        await asyncio.wait_for(renewing, 10)
    assert asyncio.get_running_loop().time() - began >= settings.lease.outage_seconds - 0.1
    assert lease.lost.is_set()
    await redis_server.start()
