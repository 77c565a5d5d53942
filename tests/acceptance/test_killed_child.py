"""An agent whose process is killed is replaced: at once if its worker lives, else when its lease has ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from ops.caller.caller import Caller
from ops.caller.transcript import Speaker
from ops.stack import WorkerSpec
from tasks.records import Database, RecordStore
from tasks.rooms import LossCause, Room, State, keys
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import HOURS, understood, utterance
from tests.provider_faults.emulators import QUESTION, tenant_providers
from tests.support import databases
from tests.support.waiting import until


async def test_a_killed_agent_is_replaced_and_the_caller_is_answered(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    async with running.call("acme") as caller:
        await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.pid is not None
        killed = time.monotonic()
        before = caller.clock.now()
        os.kill(room.pid, signal.SIGKILL)
        again = await running.reaches(room.sid, lambda room: room.attempt == 2 and "first_audio" in room.steps_ms)
        assert again.state is State.RUNNING
        await caller.listener.wait_for_sound(before, ANSWER_SECONDS)
        seconds = time.monotonic() - killed
        record_property("seconds_until_heard_again", round(seconds, 2))
        assert seconds < 3
        agents = [person for person in caller.room.remote_participants if person.startswith("agent-")]
        assert agents == [f"agent-{room.sid}-2"]

        await caller.listener.wait_for_silence(1.0, ANSWER_SECONDS)
        asked = await caller.say(utterance("what are your opening hours"))
        await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
        heard = caller.listener.render(caller.clock.now())
        assert HOURS in await understood(heard[round(asked.end * caller.listener.rate) :])
    await running.reaches(room.sid, State.ENDED)


async def test_the_replacement_remembers_what_was_said_and_answers_what_was_not_answered(running: Installation) -> None:
    async with running.call("slow") as caller:
        await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
        named = await caller.say(utterance("my name is john"))
        await caller.wait_for_answer(named.end, quiet_seconds=1.5, timeout_seconds=ANSWER_SECONDS)
        room = await running.reaches(caller.room_sid, State.RUNNING)
        assert room.pid is not None
        before = await running.rooms.conversation(room.sid)
        assert before is not None
        # The saved conversation cannot be read in Redis: it is encrypted.
        assert b"john" not in before

        await caller.say(utterance("what is my name"))

        async def question_is_kept() -> bool:
            return await running.rooms.conversation(room.sid) != before

        await until(question_is_kept)
        os.kill(room.pid, signal.SIGKILL)

        async def answered() -> bool:
            said = [line.lower() for line in caller.transcript.texts(Speaker.AGENT)]
            return said[-2:] == ["sorry, i was cut off.", "your name is john."]

        await until(answered)
    await running.reaches(room.sid, State.ENDED)
    assert await running.rooms.conversation(room.sid) is None


async def test_the_records_of_a_killed_agent_and_of_its_replacement_have_all_that_they_used(
    running: Installation, tmp_path: Path
) -> None:
    async def ask(caller: Caller) -> None:
        said = await caller.say(utterance(QUESTION))
        await caller.wait_for_answer(said.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)

    async with tenant_providers(tmp_path, "metered") as providers:
        async with running.more_tenants(providers.table("metered", "standard")), running.call("metered") as caller:
            await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            await ask(caller)
            room = await running.reaches(caller.room_sid, State.RUNNING)
            assert room.pid is not None

            async def kept() -> bool:
                usage = await cast("Awaitable[str | None]", running.rooms.redis.hget(keys.room(room.sid), "usage"))
                return output_tokens(usage or "[]") == providers.openai.tokens > 0

            await until(kept)
            before = caller.clock.now()
            os.kill(room.pid, signal.SIGKILL)
            # It says that it was cut off.
            await caller.listener.wait_for_sound(before, ANSWER_SECONDS)
            await caller.listener.wait_for_silence(1.0, ANSWER_SECONDS)
            await ask(caller)
        await running.reaches(room.sid, State.ENDED)
    records = [record for record in await running.rooms.list_attempt_records() if record.sid == room.sid]
    second, first = records
    assert (first.attempt, first.ending, first.cause, first.worker) == (1, "lost", LossCause.FAILED, room.worker)
    assert (second.attempt, second.ending, second.cause) == (2, "ended", None)
    assert second.steps_ms["lost_before"] == first.steps_ms["lost"]
    assert [json.loads(record.turns)["turns"] for record in (first, second)] == [1, 1]
    assert all(0 < ms < 10_000 for record in records for ms in json.loads(record.turns)["replies_ms"])
    assert sum(output_tokens(record.usage) for record in records) == providers.openai.tokens
    async with Database.open(await databases.sqlite(tmp_path)) as database:
        client: Any = running.rooms.redis
        entries = [fields for _, fields in await client.xrange(keys.CALLS) if fields["sid"] == room.sid]
        await databases.write(database, entries)
        stored = await RecordStore(database).get_call(room.sid)
    assert stored is not None
    assert stored.call.attempts == len(stored.attempts) == 2
    # As an invoice has it.
    assert sum(line.amount for line in stored.usage if line.unit == "output_tokens") == providers.openai.tokens
    (call,) = [record for record in await running.rooms.list_call_records() if record.sid == room.sid]
    assert (call.state, call.attempts, call.outcome) == ("ended", 2, "room empty")
    assert call.steps_ms["first_claimed"] == first.steps_ms["claimed"]


def output_tokens(usage: str) -> int:
    return sum(entry.get("output_tokens", 0) for entry in json.loads(usage) if entry["type"] == "llm_usage")


async def test_the_calls_of_a_killed_worker_are_taken_over_by_another(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    workers = [await running.stack.add_worker(WorkerSpec(name, ("loaded",), slots=1)) for name in ("first", "second")]
    try:
        async with running.call("loadco") as caller:
            await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
            room = await running.reaches(caller.room_sid, State.RUNNING)
            its_worker = next(worker for worker in workers if worker.node == room.worker)
            killed = time.monotonic()
            its_worker.kill()

            def taken_over(room: Room) -> bool:
                return room.attempt == 2 and "first_audio" in room.steps_ms and room.state is State.RUNNING

            again = await running.reaches(room.sid, taken_over)
            seconds = time.monotonic() - killed
            record_property("seconds_until_answered_again", round(seconds, 2))
            assert again.worker != room.worker
            assert seconds < 10
        await running.reaches(room.sid, State.ENDED)
    finally:
        for worker in workers:
            await worker.stop()
