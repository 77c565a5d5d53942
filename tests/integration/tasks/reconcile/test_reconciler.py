from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest
from redis.exceptions import ResponseError

from ops.stack.redis import RedisServer
from tasks.reconcile import Reconciler
from tasks.reconcile.reconciler import ReconcilerConfig, Sweep
from tasks.reconcile.rescuer import Rescuer, RescuerConfig
from tasks.rooms import ClaimRefusal, RenewResult, Repairs, RoomStore, State, SweepName, keys
from tests.support.rooms import open_some_room
from tests.support.waiting import until

LEASE_MS = 50


@pytest.fixture
def short(rooms: RoomStore) -> RoomStore:
    """The same rooms, with leases that end soon."""
    return RoomStore(rooms.redis, lease_ms=LEASE_MS)


async def no_sync() -> bool:
    return False


def reconciler(
    rooms: RoomStore,
    *,
    lease_ms: int = 0,
    livekit_sync: Callable[[], Awaitable[bool]] = no_sync,
    sweeps: Mapping[str, Sweep] | None = None,
    livekit_sweeps: Sequence[Mapping[str, Sweep]] = (),
    term_ms: int = 3000,
) -> Reconciler:
    repairs = Repairs()
    return Reconciler(
        rooms,
        Rescuer(rooms, max_attempts=5, repairs=repairs),
        repairs=repairs,
        config=ReconcilerConfig(term_ms=term_ms),
        lease_ms=lease_ms,
        livekit_sync=livekit_sync,
        sweeps=sweeps,
        livekit_sweeps=livekit_sweeps,
    )


async def run_call(rooms: RoomStore, sid: str = "RM_1") -> None:
    await open_some_room(rooms, sid, message=b"the first attempt")
    assert not isinstance(await rooms.claim(sid, 1, claimant="a", worker="w", pid=1), ClaimRefusal)
    await rooms.redis.delete("premium")


async def lease_has_ended(rooms: RoomStore) -> None:
    async def ended() -> bool:
        return bool(await rooms.list_expired_leases(1))

    await until(ended)


async def test_a_call_whose_lease_has_ended_is_queued_again(short: RoomStore) -> None:
    await run_call(short)
    await lease_has_ended(short)
    assert await reconciler(short).tick() == 1
    room = await short.get("RM_1")
    assert room is not None
    assert (room.state, room.attempt, room.reason) == (State.QUEUED, 2, "w stopped renewing the lease")
    assert await short.redis.llen("premium") == 1
    assert await short.renew("RM_1", 1) is RenewResult.LOST


async def test_the_leader_counts_its_ticks_and_what_it_has_repaired(short: RoomStore) -> None:
    one, other = reconciler(short), reconciler(short)
    await run_call(short)
    await lease_has_ended(short)
    now_ms = (await short.hold_leadership("nobody", 1))[1]
    await until(lambda: leads(one))
    await one.tick()
    await other.tick()
    counters = await short.redis.hgetall(keys.COUNTERS)
    assert now_ms <= int(counters.pop(keys.TICKED_MS)) < now_ms + 10_000
    assert counters == {f"{keys.STARTED}:premium": "1", f"{keys.REPAIRED}:{SweepName.LOST_CALLS}": "1"}
    assert (one.is_leader, other.is_leader) == (True, False)


async def leads(reconciler: Reconciler) -> bool:
    await reconciler.tick()
    return reconciler.is_leader


async def test_a_leader_that_cannot_renew_its_term_leads_no_more(short: RoomStore) -> None:
    one = reconciler(short, term_ms=1000)
    assert await leads(one)

    async def over() -> bool:
        return not one.is_leader

    await until(over)


async def test_a_call_that_renews_its_lease_is_left_alone(rooms: RoomStore) -> None:
    await run_call(rooms)
    assert await reconciler(rooms).tick() == 0
    room = await rooms.get("RM_1")
    assert room is not None
    assert room.state is State.RUNNING


async def test_one_of_two_reconciles_and_the_other_takes_over_after_its_term(short: RoomStore) -> None:
    first, second = reconciler(short), reconciler(short)
    await first.tick()
    await run_call(short)
    await lease_has_ended(short)
    assert await second.tick() == 0
    assert 0 < await short.redis.pttl(keys.LEADER) <= ReconcilerConfig().term_ms
    # Its term ends, as if it had been killed.
    await short.redis.delete(keys.LEADER)
    assert await second.tick() == 1
    assert await first.tick() == 0


async def test_the_sync_runs_again_with_the_next_tick_only_if_the_last_one_was_too_early(short: RoomStore) -> None:
    too_early = [True, True, False]
    syncs = iter(too_early)

    async def livekit_sync() -> bool:
        return next(syncs)

    one = reconciler(short, livekit_sync=livekit_sync)
    for _ in range(len(too_early) + 2):
        await one.tick()
        await asyncio.sleep(0)  # the sync, which does not wait for anything here
    assert list(syncs) == []


async def test_leases_do_not_count_before_redis_has_answered_for_as_long_as_one_lasts(short: RoomStore) -> None:
    await run_call(short)
    await lease_has_ended(short)
    assert await reconciler(short, lease_ms=60_000).tick() == 0


async def test_a_lease_without_its_room_is_dropped(short: RoomStore) -> None:
    await run_call(short)
    await short.redis.delete(keys.room("RM_1"))
    await lease_has_ended(short)
    assert await reconciler(short).tick() == 0
    assert await short.list_expired_leases(1) == []


async def test_a_livekit_server_that_does_not_answer_delays_no_lease_and_no_other_sweep(short: RoomStore) -> None:
    never = asyncio.Event()
    swept = asyncio.Event()

    async def livekit_sync() -> bool:
        return await never.wait()

    async def other() -> None:
        swept.set()

    one = reconciler(short, livekit_sync=livekit_sync, livekit_sweeps=[{"slow": never.wait}, {"other": other}])
    running = asyncio.create_task(one.run())
    await asyncio.wait_for(swept.wait(), 5)
    await run_call(short)

    async def queued_again() -> bool:
        room = await short.get("RM_1")
        return room is not None and room.attempt == 2

    await until(queued_again, 5)
    one.stop()
    await asyncio.wait_for(running, 5)


async def test_a_sweep_that_raises_keeps_no_other_from_its_turn_and_says_so_once(
    short: RoomStore, caplog: pytest.LogCaptureFixture
) -> None:
    swept: list[str] = []
    broken = True

    async def breaks() -> None:
        if broken:
            raise KeyError("odd")

    async def works() -> None:
        swept.append("works")

    both = {"breaks": breaks, "works": works}
    one = reconciler(short, sweeps=both, livekit_sweeps=[both])
    await run_call(short)
    await lease_has_ended(short)
    with caplog.at_level(logging.INFO, "switchboard.tasks.reconcile"):
        assert await one.tick() == 1
        await asyncio.sleep(0)
        await one.tick()
        await asyncio.sleep(0)
        broken = False
        await one.tick()
    assert swept == ["works"] * 5
    said = [record.message for record in caplog.records if "sweep" in record.message]
    assert said == ["sweep failed", "sweep works again"]


async def test_an_error_that_redis_answers_one_sweep_with_keeps_no_expired_lease_from_counting(
    short: RoomStore,
) -> None:
    async def breaks() -> None:
        raise ResponseError("WRONGTYPE")

    one = reconciler(short, lease_ms=LEASE_MS, sweeps={"breaks": breaks})
    await one.tick()
    await run_call(short)
    await lease_has_ended(short)
    requeued = 0
    for _ in range(3):
        await asyncio.sleep(LEASE_MS / 1000)  # for as long Redis has to have answered
        requeued += await one.tick()
    assert requeued == 1


async def test_rooms_that_cannot_be_read_keep_no_other_from_being_queued_again(short: RoomStore) -> None:
    rescuer = Rescuer(short, 5, RescuerConfig(leases=2))
    odd = [f"RM_odd{number}" for number in range(5)]
    for sid in odd:
        await short.redis.hset(keys.room(sid), mapping={"sid": sid, "state": "no such state"})
        await short.redis.expire(keys.room(sid), 60)
    await short.redis.zadd(keys.LEASES, dict.fromkeys(odd, 1))
    await run_call(short)

    async def all_ended() -> bool:
        return len(await short.list_expired_leases(10)) == len(odd) + 1

    await until(all_ended)
    assert [await rescuer.requeue_lost_calls() for _ in range(4)] == [0, 0, 1, 0]
    await short.redis.zrem(keys.LEASES, *odd)


async def test_it_goes_on_after_redis_was_away(
    redis_server: RedisServer, rooms: RoomStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_server.client() as client:
        one = reconciler(RoomStore(client, lease_ms=LEASE_MS), lease_ms=LEASE_MS)
        with caplog.at_level(logging.ERROR, "switchboard.tasks.reconcile"):
            running = asyncio.create_task(one.run())
            redis_server.kill()
            await redis_server.exited()
            await redis_server.start()
            async with redis_server.client() as fresh:
                again = RoomStore(fresh, lease_ms=LEASE_MS)
                await run_call(again)

                async def queued_again() -> bool:
                    room = await again.get("RM_1")
                    return room is not None and room.attempt == 2

                await until(queued_again)
            one.stop()
            began = time.monotonic()
            await asyncio.wait_for(running, 5)
            assert time.monotonic() - began < 1
