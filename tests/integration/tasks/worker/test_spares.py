"""Spares: a worker starts them as calls come, and ends them when it is quiet, and no call is lost by that."""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, STDOUT
from itertools import pairwise
from pathlib import Path

import pytest

from ops.stack import Worker
from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.rooms import Intake, RoomStore, State, WorkerStatus
from tests.integration.tasks.worker.calling import calling
from tests.support.waiting import until

SPARES = 2

ENDS_AT_ONCE = """
import random

from tasks.worker.pool import spares

# One spare and eight are wanted in turns, so that many are ended while calls come.
spares.RETIRE_SECONDS = spares.CALL_START_SECONDS = 0.0
spares.SparePolicy.wanted_spares = property(lambda _: random.choice([1, 8]))

async def entrypoint(ctx):
    ctx.shutdown()
"""
IN_A_CONTAINER = """
from pathlib import Path

from tasks.settings import memory

memory.free_mb.__defaults__ = (Path(__file__).parent, Path(__file__).parent / "own")
"""
NO_FORKS = """
import errno
import os
from pathlib import Path

fork = os.fork

def fork_if_allowed():
    if Path(__file__).with_name("no-forks").exists():
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

os.fork = fork_if_allowed
"""
STAYS = """
import asyncio

async def entrypoint(ctx):
    await asyncio.sleep(3600)
"""


async def status_of(rooms: RoomStore) -> WorkerStatus:
    (status,) = await rooms.list_workers()
    return status


async def test_every_call_of_a_burst_gets_a_child_though_there_are_two_spares(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    names = tuple(f"call-acme-{number}" for number in range(8))
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, STAYS, slots=None, names=names, opened=0
    ) as worker:

        async def has_spares() -> bool:
            return (await status_of(rooms)).idle >= SPARES

        await until(has_spares)
        assert len(worker.children()) < 8
        for number, name in enumerate(names):
            await dispatcher.open(RoomInfo(f"RM_a{number}", name))

        async def all_run() -> bool:
            found = [await rooms.get(f"RM_a{number}") for number in range(len(names))]
            return all(room is not None and room.state is State.RUNNING for room in found)

        await until(all_run)
        children = {await worker.child(f"RM_a{number}") for number in range(len(names))}
        assert len(children) == len(names)

        async def has_spares_beside_them() -> bool:
            status = await status_of(rooms)
            return status.busy == len(names) and status.idle >= SPARES

        await until(has_spares_beside_them)


async def test_no_call_is_lost_while_spares_are_ended(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    names = tuple(f"call-acme-{number}" for number in range(60))
    pauses = random.Random(7)
    async with calling(
        redis_server,
        switchboard_env,
        dispatcher,
        rooms,
        tmp_path,
        ENDS_AT_ONCE,
        slots=12,
        names=names,
        opened=0,
    ) as worker:
        seen: set[int] = set()
        for number, name in enumerate(names):
            await dispatcher.open(RoomInfo(f"RM_a{number}", name))
            seen.update(child.pid for child in worker.children())
            await asyncio.sleep(pauses.choice([0, 0, 0, 0.2, 0.6]))

        async def all_over() -> bool:
            seen.update(child.pid for child in worker.children())
            found = [await rooms.get(f"RM_a{number}") for number in range(len(names))]
            return all(room is not None and room.state is State.ENDED for room in found)

        await until(all_over, 60)
        found = [await worker.room(f"RM_a{number}") for number in range(len(names))]
        assert {room.attempt for room in found} == {1}
        answered = {room.pid for room in found}
        assert len(answered) == len(names)

        # There were some that have answered nobody, and it is no failure that they have ended.
        assert seen - answered
        log = worker.process.log.read_text()
        assert "Traceback" not in log
        assert "exited with" not in log


async def test_a_worker_that_memory_is_short_on_ends_its_spares_and_leaves_calls_in_the_queue_until_it_is_back(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    _use_memory(tmp_path, mb=500)
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, IN_A_CONTAINER + STAYS, slots=None, opened=0
    ) as worker:

        async def is_open() -> bool:
            status = await status_of(rooms)
            return (status.state, status.idle) == (Intake.OPEN, SPARES)

        await until(is_open)
        # What fits, less what the spares have not taken yet, and one.
        assert (await status_of(rooms)).slots == SPARES + int(500 / 64 - SPARES * 0.75 - 1)
        _use_memory(tmp_path, mb=950)

        async def is_short() -> bool:
            status = await status_of(rooms)
            return (status.state, status.idle, status.slots) == (Intake.MEMORY, 0, 0)

        await until(is_short)
        await dispatcher.open(RoomInfo("RM_a0", "call-acme-1"))
        await _two_beats(rooms)
        assert (await worker.room()).state is State.QUEUED
        assert worker.children() == []
        _use_memory(tmp_path, mb=500)

        async def runs() -> bool:
            return (await worker.room()).state is State.RUNNING

        await until(runs)
        assert (await worker.room()).attempt == 1


async def test_a_worker_whose_container_is_resized_takes_as_many_calls_as_its_new_limit_allows(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    _use_memory(tmp_path, mb=950)
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, IN_A_CONTAINER + STAYS, slots=None, opened=0
    ) as worker:

        async def state_is(state: Intake) -> bool:
            return (await status_of(rooms)).state == state

        await until(lambda: state_is(Intake.MEMORY))
        await dispatcher.open(RoomInfo("RM_a0", "call-acme-1"))
        _limit_memory(tmp_path, mb=4000)

        async def runs_with_more_to_come() -> bool:
            status = await status_of(rooms)
            return status.busy == 1 and status.slots > int(3050 / 64) - SPARES

        await until(runs_with_more_to_come)
        _limit_memory(tmp_path, mb=980)
        await until(lambda: state_is(Intake.MEMORY))
        assert (await worker.room()).state is State.RUNNING


def _use_memory(folder: Path, *, mb: int) -> None:
    """Write a container's files: its limit of 1000 MB, and what it uses."""
    folder.joinpath("own").write_text("0::/\n")
    _limit_memory(folder, mb=1000)
    _write_mb(folder / "memory.current", mb)


def _limit_memory(folder: Path, *, mb: int) -> None:
    _write_mb(folder / "memory.max", mb)


def _write_mb(file: Path, mb: int) -> None:
    # In one step: a reader never sees an empty file.
    new = file.with_name("new")
    new.write_text(f"{mb << 20}\n")
    new.rename(file)


async def test_a_worker_that_may_not_fork_stays_and_answers_when_it_may_again(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    names = tuple(f"call-acme-{number}" for number in range(4))
    async with calling(
        redis_server, switchboard_env, dispatcher, rooms, tmp_path, NO_FORKS + STAYS, slots=None, names=names, opened=0
    ) as worker:

        async def has_spares() -> bool:
            return (await status_of(rooms)).idle == SPARES

        await until(has_spares)
        (tmp_path / "no-forks").touch()
        for number, name in enumerate(names):
            await dispatcher.open(RoomInfo(f"RM_a{number}", name))
        said = await worker.says("no child can be forked; tried again")
        assert "Resource temporarily unavailable" in said["error"]

        async def has_two_calls() -> bool:
            return [(await worker.room(f"RM_a{number}")).state for number in range(4)].count(State.RUNNING) == SPARES

        await until(has_two_calls)
        await _two_beats(rooms)
        (tmp_path / "no-forks").unlink()

        async def all_run() -> bool:
            return all([(await worker.room(f"RM_a{number}")).state is State.RUNNING for number in range(4)])

        await until(all_run)
        assert len(worker.logged("no child can be forked; tried again")) == 1


async def _two_beats(rooms: RoomStore) -> None:
    """Wait for the time in which the worker would have taken a call."""
    (key,) = await rooms.redis.keys("switchboard:worker:*")
    left = [await rooms.redis.pttl(key)]

    async def has_beaten_twice() -> bool:
        left.append(await rooms.redis.pttl(key))
        return sum(later > earlier for earlier, later in pairwise(left)) == 2

    await until(has_beaten_twice)


@pytest.mark.parametrize(
    ("command", "setting"), [("pool_grow", "SWITCHBOARD_SPARES"), ("pool_shrink", "SWITCHBOARD_SLOTS")]
)
async def test_an_operator_who_resizes_the_pool_reads_which_setting_to_use(
    worker: Worker, command: str, setting: str
) -> None:
    celery = (sys.executable, "-m", "celery", "-A", "tasks", "control", "-t", "10", "-d", worker.node, command, "1")
    asked = await asyncio.create_subprocess_exec(*celery, env=worker.env, stdout=PIPE, stderr=STDOUT)
    printed, _ = await asked.communicate()
    assert setting in printed.decode()
