"""An agent written for livekit-agents' built-in worker answers a call here, unmodified, and there too."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from ops.caller.caller import Caller
from ops.stack import WorkerSpec, environment
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import OFFER, WEATHER, understood, utterance
from tests.provider_emulators.openai import OpenAIEmulator
from tests.support.waiting import until

AGENTS = Path(__file__).parent / "agents"
KEY = "sk-a-key-for-the-documented-agent"
QUESTION = "what is the weather in paris"
TENANT = '[tenants.documented]\ntier = "documented"\nagent = "documented_agent:server"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def tenant(installation: Installation) -> AsyncIterator[None]:
    async with installation.more_tenants(TENANT):
        yield


@pytest_asyncio.fixture(loop_scope="session")
async def openai() -> AsyncIterator[OpenAIEmulator]:
    server = OpenAIEmulator(phrases=(QUESTION,), reply="Hello. I am your assistant. How may I help you?")
    async with server.serve():
        yield server


@pytest.fixture
def agent_env(openai: OpenAIEmulator, tmp_path: Path) -> dict[str, str]:
    return {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": KEY, "NOTES": str(tmp_path / "notes")}


async def ask_for_the_weather(caller: Caller) -> None:
    await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    asked = await caller.say(utterance(QUESTION))
    await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    heard = caller.listener.render(caller.clock.now())
    split = round(asked.begin * caller.listener.rate)
    assert OFFER in await understood(heard[:split])
    assert WEATHER in await understood(heard[split:])


async def its_hooks_ran(env: dict[str, str]) -> list[str]:
    notes = Path(env["NOTES"])

    async def done() -> bool:
        return "shutdown callback" in notes.read_text()  # noqa: ASYNC240 - a few bytes

    await until(done)
    return notes.read_text().splitlines()  # noqa: ASYNC240 - a few bytes


def asked_with_its_own_key(openai: OpenAIEmulator) -> None:
    assert {request.path.rpartition("/v1/")[2] for request in openai.requests} == {
        "chat/completions",
        "audio/transcriptions",
        "audio/speech",
    }
    assert {request.key for request in openai.requests} == {KEY}


async def test_it_answers_a_call_here(running: Installation, openai: OpenAIEmulator, agent_env: dict[str, str]) -> None:
    worker = await running.stack.add_worker(WorkerSpec("documented", ("documented",), env=agent_env))
    try:
        async with running.call("documented") as caller:
            await ask_for_the_weather(caller)
        room = await running.reaches(caller.room_sid, State.ENDED)
        assert room.reason == "room empty"
        talking, session_end, shutdown = await its_hooks_ran(agent_env)
        assert talking == "talking to caller"
        assert session_end.startswith("session ended with ")
        assert shutdown == "shutdown callback: room empty"
        asked_with_its_own_key(openai)
        (record,) = [record for record in await running.rooms.list_call_records() if record.sid == room.sid]
        assert '"type": "llm_usage"' in record.usage
        assert KEY not in worker.log.read_text()
    finally:
        await worker.stop()


@asynccontextmanager
async def built_in_worker(running: Installation, env: dict[str, str], log: Path) -> AsyncIterator[None]:
    livekit = running.stack.livekit
    server = {
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.api_key,
        "LIVEKIT_API_SECRET": livekit.api_secret,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(AGENTS / "documented_agent.py"), "start"),
            stdout=output,
            stderr=output,
            env=environment.merged(environment.inherited(), server, env),
            start_new_session=True,
        )
    try:

        async def registered() -> bool:
            assert process.returncode is None, log.read_text()  # noqa: ASYNC240 - a few bytes
            return "registered worker" in log.read_text()  # noqa: ASYNC240 - a few bytes

        await until(registered, 60)
        yield
    finally:
        # Its SIGTERM would wait for calls, and for the processes that it keeps ready.
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_the_same_file_answers_a_call_under_the_built_in_worker(
    running: Installation, openai: OpenAIEmulator, agent_env: dict[str, str], tmp_path: Path
) -> None:
    # The built-in worker is asked for every room, so this one is a tenant's that nobody here answers.
    async with built_in_worker(running, agent_env, tmp_path / "built-in.log"):
        async with running.call("documented") as caller:
            await ask_for_the_weather(caller)
        # It stays in the room of a caller who has left, until the room is over.
        await running.delete_room(caller.room.name)
        assert (await its_hooks_ran(agent_env))[0] == "talking to caller"
    asked_with_its_own_key(openai)
    # Here its task has waited in a queue without a worker, which would find it cancelled.
    room = await running.reaches(caller.room_sid, State.CANCELLED)
    await running.rooms.redis.delete(room.queue)
