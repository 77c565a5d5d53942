"""A child that holds its slot for longer than it may: stopped, hung, stale, or not able to exit."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.rooms import RoomStore, State, keys
from tasks.worker.pool.one_shot_pool import Phase, PoolChild
from tasks.worker.supervision.overdue_children import OverdueChildren
from tests.integration.tasks.worker.calling import calling, ends
from tests.support.waiting import until

AGENT = """
import asyncio, threading, time
from celery.signals import worker_process_shutdown

async def entrypoint(ctx):
    # Its steps are written.
    await asyncio.sleep(1)
    kind = ctx.job.room.name.rpartition("-")[2]
    if kind == "stays":
        return
    if kind == "thread":
        threading.Thread(target=time.sleep, args=(1000,)).start()
    if kind == "exit":
        worker_process_shutdown.connect(lambda **_: time.sleep(1000), weak=False)
    ctx.shutdown()
"""


async def test_children_of_calls_that_are_over_and_stopped_ones_do_not_keep_their_slots(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    names = ("call-acme-stays", "call-acme-thread", "call-acme-exit")
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, AGENT, slots=2, names=names, opened=1
    ) as worker:
        # Its room has ended elsewhere, and neither it nor its watchdog will ever know.
        hung = await worker.child()
        os.kill(hung, signal.SIGSTOP)
        await rooms.redis.hset(keys.room("RM_a0"), "state", State.ENDED)
        (stopped,) = [child.pid for child in worker.children() if child.pid != hung]
        os.kill(stopped, signal.SIGSTOP)
        # Each is sent to a child that does not accept it, and then to its successor.
        for number in (1, 2):
            await dispatcher.open(RoomInfo(f"RM_a{number}", names[number]))
        overdue = await worker.says("killing an overdue child")
        assert (overdue["pid"], overdue["phase"]) == (stopped, Phase.SENT)

        async def over() -> bool:
            return [(await worker.room(sid)).state for sid in ("RM_a1", "RM_a2")] == [State.ENDED] * 2

        await until(over)
        # The call has returned, so the thread that it has left is not waited for.
        await ends(await worker.child("RM_a1"), 5)
        exiting = await worker.child("RM_a2")
        await ends(exiting)
        overdue = worker.logged("killing an overdue child")[1]
        assert (overdue["pid"], overdue["phase"]) == (exiting, Phase.FINISHED)
        killed = await worker.says("killing the child of a call")
        assert (killed["pid"], killed["reason"]) == (hung, "stale: its room is over, or another attempt's")
        await ends(hung)

        async def all_idle() -> bool:
            (status,) = await rooms.list_workers()
            return status.idle == 2

        await until(all_idle)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.SENT, Phase.BUSY, Phase.FINISHED])
def test_a_child_in_a_phase_for_too_long_is_killed_and_another_is_not(
    phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("tasks.worker.supervision.overdue_children.time.monotonic", lambda: now)
    stuck, idle = (subprocess.Popen(["sleep", "1000"], start_new_session=True) for _ in range(2))
    os.kill(stuck.pid, signal.SIGSTOP)
    children = [PoolChild(stuck.pid, 0, phase), PoolChild(idle.pid, 1, Phase.IDLE)]
    overdue = OverdueChildren(start_seconds=30, call_seconds=3600)
    try:
        overdue.check(children)
        now = 4.0
        overdue.check(children)
        assert stuck.poll() is None
        # Another phase begins anew.
        now = 4000.0
        overdue.check([PoolChild(stuck.pid, 0, Phase.IDLE), children[1]])
        overdue.check(children)
        assert stuck.poll() is None
        now = 8000.0
        overdue.check(children)
        assert stuck.wait(10) == -signal.SIGKILL
        assert idle.poll() is None
    finally:
        for process in (stuck, idle):
            process.kill()
            process.wait()
