"""A worker that stops hands its call over, and the caller goes on talking as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from ops.caller.caller import Caller
from ops.caller.transcript import Speaker
from ops.stack import Worker, WorkerSpec
from tasks.rooms import AttemptEnding, Room, State
from tasks.worker.drain_step import SAME_SIGNAL_SECONDS
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance

DRAIN_SECONDS = 0.5
LOW, HIGH = "0.1", "0.9"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Worker]:
    """The worker that takes the calls over, in all tests of this file."""
    load = tmp_path_factory.mktemp("handing-over") / "load"
    load.write_text(LOW)
    spec = WorkerSpec("other", ("loaded",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)})
    worker = await installation.stack.add_worker(spec)
    yield worker
    await worker.stop()


@asynccontextmanager
async def leaving_worker(running: Installation, drain_seconds: float) -> AsyncIterator[Worker]:
    """The worker that the test stops."""
    env = {"SWITCHBOARD_DRAIN_SECONDS": str(drain_seconds)}
    worker = await running.stack.add_worker(WorkerSpec("leaving", ("loaded",), slots=1, env=env))
    try:
        yield worker
    finally:
        await running.all_calls_over()
        await worker.stop()


@asynccontextmanager
async def call(running: Installation, leaving: Worker, other: Worker) -> AsyncIterator[tuple[Caller, Room]]:
    """A call that the one worker has answered, and that the other one could take over from now on."""
    give_load(other, HIGH)
    await running.intake(other, "load over the threshold")
    try:
        async with running.call("loadco") as caller:
            await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            room = await running.reaches(caller.room_sid, State.RUNNING)
            assert room.worker == leaving.node
            give_load(other, LOW)
            await running.intake(other, "open")
            yield caller, room
    finally:
        give_load(other, LOW)


def give_load(worker: Worker, load: str) -> None:
    """Let a worker see this load."""
    Path(worker.env["SWITCHBOARD_LOAD_FILE"]).write_text(load)


async def ask(caller: Caller, question: str) -> str:
    asked = await caller.say(utterance(question))
    await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    return caller.transcript.texts(Speaker.AGENT)[-1].lower()


def taken_over(room: Room) -> bool:
    return room.attempt == 2 and room.state is State.RUNNING and "published" in room.steps_ms


async def test_a_worker_that_gets_sigterm_hands_its_call_over_with_the_conversation(
    running: Installation, other: Worker, record_property: Callable[[str, object], None]
) -> None:
    async with leaving_worker(running, DRAIN_SECONDS) as leaving, call(running, leaving, other) as (caller, room):
        assert await ask(caller, "my name is john") == "nice to meet you, john."

        began = time.monotonic()
        leaving.send(signal.SIGTERM)
        again = await running.reaches(room.sid, taken_over)
        record_property("seconds_until_taken_over", round(time.monotonic() - began, 2))
        assert (again.worker, again.handed_over) == (other.node, True)
        assert await asyncio.wait_for(leaving.exited(), ANSWER_SECONDS) == 0

        assert await ask(caller, "what is my name") == "your name is john."
        # A caller who is handed over between two turns hears nothing of it.
        assert not [line for line in caller.transcript.texts(Speaker.AGENT) if "cut off" in line]
    await running.reaches(room.sid, State.ENDED)
    records = [record for record in await running.rooms.list_attempt_records() if record.sid == room.sid]
    assert [record.ending for record in records] == [AttemptEnding.ENDED, AttemptEnding.HANDED_OVER]
    assert [json.loads(record.turns)["turns"] for record in records] == [1, 1]
    assert all("llm_usage" in record.usage for record in records)


async def test_an_operator_drains_a_worker_whose_calls_may_end_by_themselves(
    running: Installation, other: Worker
) -> None:
    async with leaving_worker(running, 60) as leaving:
        async with call(running, leaving, other) as (caller, room):
            drain = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ops.cli", "drain", leaving.node, "--wait"),
                stdout=asyncio.subprocess.PIPE,
                env={**running.stack.receivers[0].env},
            )
            assert drain.stdout is not None
            while b"1 call(s) left" not in await drain.stdout.readline():
                pass
            # It answers the call that it has to its end, and takes no other.
            async with running.call("loadco") as second:
                taken = await running.reaches(second.room_sid, State.RUNNING)
                assert taken.worker == other.node
            assert "nine in the morning" in await ask(caller, "what are your opening hours")
        assert await drain.wait() == 0
        assert await asyncio.wait_for(leaving.exited(), ANSWER_SECONDS) == 0
        ended = await running.reaches(room.sid, State.ENDED)
        assert ended.attempt == 1


async def test_a_second_sigterm_does_not_wait_for_the_end_of_the_drain(running: Installation, other: Worker) -> None:
    async with leaving_worker(running, 60) as leaving, call(running, leaving, other) as (caller, room):
        await caller.say(utterance("tell me a long story"))
        leaving.send(signal.SIGTERM)
        await running.intake(leaving, "draining")
        # A signal that is repeated sooner is the same one, passed on by a wrapper.
        await asyncio.sleep(SAME_SIGNAL_SECONDS)
        leaving.send(signal.SIGTERM)
        again = await running.reaches(room.sid, taken_over)
        assert again.worker == other.node
    await running.reaches(room.sid, State.ENDED)
