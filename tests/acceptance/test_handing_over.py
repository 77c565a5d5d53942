"""A worker that stops hands its call over, and the caller goes on talking as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ops.caller.caller import Caller
from ops.caller.transcript import Speaker
from ops.stack import Worker, WorkerSpec
from tasks.rooms import AttemptEnding, Room, State
from tasks.worker.drain_step import SAME_SIGNAL_SECONDS
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance

DRAIN_SECONDS = 0.5


@asynccontextmanager
async def two_workers(running: Installation, drain_seconds: float) -> AsyncIterator[list[Worker]]:
    env = {"SWITCHBOARD_DRAIN_SECONDS": str(drain_seconds)}
    specs = [WorkerSpec(name, ("loaded",), slots=1, env=env) for name in ("first", "second")]
    workers = [await running.stack.add_worker(spec) for spec in specs]
    try:
        yield workers
    finally:
        await running.all_calls_over()
        for worker in workers:
            await worker.stop()


async def ask(caller: Caller, question: str) -> str:
    asked = await caller.say(utterance(question))
    await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    return caller.transcript.texts(Speaker.AGENT)[-1].lower()


def taken_over(room: Room) -> bool:
    return room.attempt == 2 and room.state is State.RUNNING and "published" in room.steps_ms


async def test_a_worker_that_gets_sigterm_hands_its_call_over_with_the_conversation(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    async with two_workers(running, DRAIN_SECONDS) as workers, running.call("loadco") as caller:
        await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
        assert await ask(caller, "my name is john") == "nice to meet you, john."
        room = await running.reaches(caller.room_sid, State.RUNNING)
        leaving = next(worker for worker in workers if worker.node == room.worker)

        began = time.monotonic()
        leaving.send(signal.SIGTERM)
        again = await running.reaches(room.sid, taken_over)
        record_property("seconds_until_taken_over", round(time.monotonic() - began, 2))
        assert (again.worker, again.handed_over) == (next(w.node for w in workers if w is not leaving), True)
        assert await asyncio.wait_for(leaving.exited(), ANSWER_SECONDS) == 0

        assert await ask(caller, "what is my name") == "your name is john."
        # A caller who is handed over between two turns hears nothing of it.
        assert not [line for line in caller.transcript.texts(Speaker.AGENT) if "cut off" in line]
    await running.reaches(room.sid, State.ENDED)
    records = [record for record in await running.rooms.list_attempt_records() if record.sid == room.sid]
    assert [record.ending for record in records] == [AttemptEnding.ENDED, AttemptEnding.HANDED_OVER]
    assert [json.loads(record.turns)["turns"] for record in records] == [1, 1]
    assert all("llm_usage" in record.usage for record in records)


async def test_an_operator_drains_a_worker_whose_calls_may_end_by_themselves(running: Installation) -> None:
    async with two_workers(running, 60) as workers:
        async with running.call("loadco") as caller:
            await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            room = await running.reaches(caller.room_sid, State.RUNNING)
            leaving = next(worker for worker in workers if worker.node == room.worker)
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
                other = await running.reaches(second.room_sid, State.RUNNING)
                assert other.worker != leaving.node
            assert "nine in the morning" in await ask(caller, "what are your opening hours")
        assert await drain.wait() == 0
        assert await asyncio.wait_for(leaving.exited(), ANSWER_SECONDS) == 0
        ended = await running.reaches(room.sid, State.ENDED)
        assert ended.attempt == 1


async def test_a_second_sigterm_does_not_wait_for_the_end_of_the_drain(running: Installation) -> None:
    async with two_workers(running, 60) as workers, running.call("loadco") as caller:
        await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
        await caller.say(utterance("tell me a long story"))
        room = await running.reaches(caller.room_sid, State.RUNNING)
        leaving = next(worker for worker in workers if worker.node == room.worker)
        leaving.send(signal.SIGTERM)
        await running.intake(leaving, "draining")
        # A signal that is repeated sooner is the same one, passed on by a wrapper.
        await asyncio.sleep(SAME_SIGNAL_SECONDS)
        leaving.send(signal.SIGTERM)
        again = await running.reaches(room.sid, taken_over)
        assert again.worker != leaving.node
    await running.reaches(room.sid, State.ENDED)
