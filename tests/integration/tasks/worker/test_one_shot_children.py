"""Contract of the pool and the gate with the internals of Celery, kombu and billiard: a real worker, a real Redis."""

from __future__ import annotations

import subprocess
import sys
import time

from ops.stack import Worker
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore
from tests.integration.tasks.worker.conftest import SLOTS, TENANTS
from tests.integration.tasks.worker.dispatched import all_dead, open_rooms
from tests.support.tenants import declare

CALLS = 12


async def test_each_call_has_a_child_of_its_own_and_the_next_one_does_not_wait_for_a_timer(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    began = time.monotonic()
    sids = await open_rooms(dispatcher, "a", CALLS)
    await all_dead(rooms, sids)
    seconds = time.monotonic() - began
    children = {room.pid for sid in sids if (room := await rooms.get(sid))}
    assert len(children) == CALLS
    assert worker.pid not in children
    # Celery's own pool reaps a child that has exited with a timer of 5 s.
    assert seconds < 5 * CALLS / SLOTS / 2


def test_a_child_exits_at_once_after_its_task() -> None:
    script = """
import os, time
from tasks.worker.pool.one_shot_pool import OneShotPool
child = object.__new__(OneShotPool.Pool.Worker)
child.on_exit = None
began = time.monotonic()
if pid := os.fork():
    _, status = os.waitpid(pid, 0)
    print(time.monotonic() - began, os.waitstatus_to_exitcode(status))
else:
    child._do_exit(os.getpid(), 0x9B)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, status = ran.stdout.split()
    assert status == str(0x9B)
    # One of billiard's sleeps for a second.
    assert float(seconds) < 0.9


async def test_a_worker_takes_calls_again_after_its_connections_were_killed(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await all_dead(rooms, await open_rooms(dispatcher, "a", 1))
    await rooms.redis.client_kill_filter(_type="normal", skipme=True)
    await all_dead(rooms, await open_rooms(dispatcher, "b", CALLS))


async def test_a_worker_takes_calls_again_after_redis_was_restarted(
    worker: Worker, dispatcher: Dispatcher, redis_server: RedisServer
) -> None:
    redis_server.kill()
    await redis_server.exited()
    await redis_server.start()
    async with redis_server.client() as client:
        rooms = RoomStore(client)
        # This Redis keeps nothing over a restart.
        await declare(client, TENANTS)
        await all_dead(rooms, await open_rooms(dispatcher, "a", CALLS))


async def test_a_dead_letter_has_the_reason_of_the_failed_attempt(
    worker: Worker, dispatcher: Dispatcher, rooms: RoomStore
) -> None:
    await all_dead(rooms, await open_rooms(dispatcher, "a", 1))
    (letter,) = await rooms.list_dead_letters()
    assert letter.reason.startswith("Tenant 'acme', [stt] key: Redis does not have it")


async def test_an_idle_worker_stops_at_once_and_takes_its_heartbeat_with_it(worker: Worker, rooms: RoomStore) -> None:
    began = time.monotonic()
    await worker.stop()
    assert time.monotonic() - began < worker.stop_seconds
    assert await rooms.list_workers() == []
