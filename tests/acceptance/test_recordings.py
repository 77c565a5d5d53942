"""Calls of tenants that record them: what is there afterwards, and what their callers notice of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest_asyncio

from ops.caller.caller import Caller
from ops.recordings.archive import Archive
from ops.recordings.results import RecordedCall
from pipeline.providers.local.sphinx import recognise
from tasks.records import Database
from tasks.records.entries import read_entry
from tasks.records.insertion import insert_records
from tasks.rooms import AttemptRecord, State, keys
from tasks.settings import Settings
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import GREETING, HOURS, utterance
from tests.support.upload_server import UploadServer
from tests.support.waiting import until

QUESTION = "what are your opening hours"
CONSENT = "this call is recorded"
SENTENCES = (QUESTION, CONSENT, GREETING, HOURS)
RATE = 48000


class Console:
    """The server, and what it keeps."""

    def __init__(self, server: UploadServer, archive: Archive, database: Database, running: Installation) -> None:
        self.server = server
        self.archive = archive
        self.database = database
        self._running = running

    async def call(self, sid: str, *parts: str, span: str | None = None) -> RecordedCall:
        """Return what was recorded of a call, once these parts are there, and a span of this name."""
        found: RecordedCall | None = None

        async def there() -> bool:
            nonlocal found
            found = await self.archive.recordings.call(sid)
            if found is None or not set(parts) <= set(found.attempts[0].arrived):
                return False
            return span is None or span in {each.name for each in found.spans}

        try:
            await until(there, ANSWER_SECONDS, every=0.2)
        except TimeoutError:
            raise AssertionError(f"{found and found.attempts} {self.server.log.read_text()[-3000:]}") from None
        assert found is not None
        return found

    async def sides(self, sid: str) -> tuple[np.ndarray, np.ndarray]:
        """Return both sides of the audio of a call's first attempt, as the recogniser takes it."""
        audio = await self.archive.recordings.audio(sid, 1)
        content = b"".join([data async for data in audio.read()])
        with av.open(io.BytesIO(content), mode="r") as container:
            samples = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        left, right = (samples * 32767).astype(np.int16)
        return left[:: RATE // 16000], right[:: RATE // 16000]

    async def write_records(self, sid: str) -> None:
        """Write the records of a call from the stream, as `switchboard records` does."""
        redis: Any = self._running.rooms.redis
        entries = await redis.xrange(keys.CALLS)
        async with self.database.transaction() as connection:
            await insert_records(connection, [read_entry(id_, of) for id_, of in entries if of["sid"] == sid])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def console(installation: Installation) -> AsyncIterator[Console]:
    directory = installation.stack.directory / "console"
    env = installation.stack.receivers[0].env
    server = await UploadServer.new(directory, env, port=installation.console_port)
    await server.start()
    settings = Settings.read({name: value for name, value in server.env.items() if name in Settings.variables()})
    async with Database.open(settings.database) as opened:
        try:
            yield Console(server, Archive(settings, opened, installation.rooms.redis), opened, installation)
        finally:
            await server.stop()


async def attempt_record(running: Installation, sid: str) -> AttemptRecord:
    return next(record for record in await running.rooms.list_attempt_records() if record.sid == sid)


async def test_the_words_in_the_recording_of_a_call_are_those_that_were_said(
    running: Installation, console: Console
) -> None:
    async with running.call("recorded") as caller:
        await ask(caller)
    room = await running.reaches(caller.room_sid, State.ENDED)
    call = await console.call(room.sid, "audio", "transcript", "traces", "logs", span="job_entrypoint")
    said = [(item.role, item.text) for item in call.transcript if item.kind == "message"]
    # The consent comes before the greeting.
    assert said[:3] == [("assistant", CONSENT), ("assistant", GREETING), ("user", QUESTION)]
    caller_side, agent_side = await console.sides(room.sid)
    assert QUESTION in await understood_of(caller_side)
    heard = await understood_of(agent_side)
    assert heard.startswith(f"{CONSENT} {GREETING}")
    assert HOURS in heard
    turn = next(item for item in call.transcript if item.role == "user")
    assert turn.latencies_ms["end_of_turn_delay"] > 0
    assert {"job_entrypoint", "agent_session", "user_turn"} <= {span.name for span in call.spans}
    record = await attempt_record(running, room.sid)
    assert {step for step in record.steps_ms if step.startswith("recording")} == {
        f"recording_{part}" for part in ("audio", "transcript", "traces", "logs")
    }


async def understood_of(samples: np.ndarray) -> str:
    return " ".join(await asyncio.to_thread(recognise, samples.tobytes(), SENTENCES))


async def test_an_unmodified_agent_of_livekits_kind_is_recorded_without_a_change_to_it(
    running: Installation, console: Console
) -> None:
    async with running.call("recorded-starter") as caller:
        await ask(caller)
        assert len(audio_files_in_work(running)) == 1
    room = await running.reaches(caller.room_sid, State.ENDED)
    call = await console.call(room.sid, "audio", "transcript")
    assert call.attempts[0].arrived == ("audio", "transcript")
    assert QUESTION in [item.text for item in call.transcript if item.role == "user"]
    assert QUESTION in await understood_of((await console.sides(room.sid))[0])


async def ask(caller: Caller) -> None:
    # Longer than the pause between the consent and the greeting, in which it would not be heard.
    await caller.wait_for_answer(0, quiet_seconds=2.0, timeout_seconds=ANSWER_SECONDS)
    asked = await caller.say(utterance(QUESTION))
    await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)


async def test_of_a_tenant_that_records_nothing_nothing_is_anywhere(running: Installation, console: Console) -> None:
    before = console.server.log.read_text()
    async with running.call("starter") as caller:
        await ask(caller)
        assert not audio_files_in_work(running)
    room = await running.reaches(caller.room_sid, State.ENDED)
    await running.all_calls_over()
    assert await console.archive.recordings.call(room.sid) is None
    assert console.server.log.read_text() == before
    assert not [path for path in stored_files(running) if room.sid in str(path)]


def stored_files(running: Installation) -> list[Path]:
    return list((running.stack.directory / "console" / "recordings").rglob("*"))


def audio_files_in_work(running: Installation) -> list[str]:
    """Return the audio files that a worker's children write at the moment."""
    found = []
    for worker in running.stack.workers.values():
        if not worker.running:
            continue
        for process in psutil.Process(worker.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [file.path for file in process.open_files() if file.path.endswith(".ogg")]
    return found


async def test_a_console_that_is_killed_during_uploads_is_said_in_the_record_and_nothing_else(
    running: Installation, console: Console
) -> None:
    idle = await running.idle_children("premium")
    async with running.call("recorded") as caller:
        await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
        await console.call(caller.room_sid, "traces")
        console.server.kill()
        # Its caller notices nothing.
        asked = await caller.say(utterance(QUESTION))
        await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    try:
        room = await running.reaches(caller.room_sid, State.ENDED)
        assert room.reason == "room empty"
        record = await attempt_record(running, room.sid)
        assert json.loads(record.turns)["turns"] >= 1

        async def child_is_back() -> bool:
            return await running.idle_children("premium") >= idle

        await until(child_is_back, 30)
    finally:
        await console.server.start()
    await console.write_records(room.sid)
    call = await console.archive.recordings.call(room.sid)
    assert call is not None
    (attempt,) = call.attempts
    assert "traces" in attempt.arrived
    assert {*attempt.pending, *attempt.missing} >= {"audio", "transcript"}
