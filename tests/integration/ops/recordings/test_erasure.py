"""`switchboard calls erase`: what is gone then, and what stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.commands.calls.erase import erase
from ops.recordings.archive import Archive
from ops.recordings.object_store import RecordingUnavailable
from ops.recordings.store import Source
from ops.stack.redis import RedisServer
from tasks.background.notices import NoticeStore
from tasks.records import Database, RecordStore
from tasks.records.entries import read_entry
from tasks.records.insertion import insert_records
from tasks.rooms import RoomStore, keys
from tasks.rooms.erasures import ErasureRequest, ErasureRequests
from tasks.settings import Settings
from tests.support import databases
from tests.support.rooms import open_some_room

NUMBER = "+4930123456"


@pytest.fixture
async def settings(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    database = await databases.sqlite(tmp_path)
    environment = {
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "secret",
        "REDIS_URL": redis_server.url,
        "SWITCHBOARD_DATABASE_URL": database.url.get_secret_value(),
        "SWITCHBOARD_RECORDINGS_URL": f"file://{tmp_path}/recordings",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.read()


def rooms_with_audio(folder: Path) -> list[str]:
    return [path.parent.name for path in folder.rglob("*.ogg")]


def folder_of(folder: Path, sid: str) -> Path:
    return next(path.parent for path in folder.rglob("*.ogg") if path.parent.name == sid)


async def some(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def recorded_call(settings: Settings, rooms: RoomStore, sid: str, number: str) -> None:
    """A call with a record, in the stream too, a recording, and a conversation in Redis."""
    redis: Any = rooms.redis
    fields = [
        databases.attempt_entry(sid, number=number, usage=databases.USAGE),
        databases.call_entry(sid, number=number),
    ]
    async with Database.open(settings.database) as database:
        archive = Archive(settings, database, rooms.redis)
        source = Source("acme", sid, 1)
        await archive.store.begin(source)
        assert await archive.store.put_audio(source, some(b"OggS hello"), began_ms=1)
        transcript = [{"id": "item_1", "type": "message", "role": "user", "content": ["hello"], "created_at": 1.0}]
        await archive.store.put_session(source, summary={}, transcript=transcript)
        async with database.transaction() as connection:
            for entry in fields:
                added = await redis.xadd(keys.CALLS, entry)
                await insert_records(connection, [read_entry(added, entry)])
    await rooms.redis.set(keys.conversation(sid), b"encrypted", ex=3600)
    notices = NoticeStore(rooms.redis, settings.notices)
    for kind in ("call.started", "call.ended"):
        event = await redis.xadd(keys.NOTICE_EVENTS, {"kind": kind})
        assert await notices.add(event, tenant="acme", sid=sid, kind=kind, data={"room": sid}, occurred_ms=1)


async def test_all_calls_of_a_number_are_erased_and_their_bare_records_stay(
    settings: Settings, rooms: RoomStore, tmp_path: Path
) -> None:
    for sid, number in (("RM_1", NUMBER), ("RM_2", NUMBER), ("RM_3", "+4930999")):
        await recorded_call(settings, rooms, sid, number)
    async with Database.open(settings.database) as database:
        before = await RecordStore(database).get_call("RM_1")
    result = await in_thread("--number", NUMBER, "--yes")
    assert result == (0, "2 erased")
    async with Database.open(settings.database) as database:
        archive, records = Archive(settings, database, rooms.redis), RecordStore(database)
        after = await records.get_call("RM_1")
        assert before is not None
        assert after is not None
        assert (after.call.number, after.call.name) == (None, "")
        assert (after.usage, after.call.outcome, after.call.opened_ms) == (
            before.usage,
            before.call.outcome,
            before.call.opened_ms,
        )
        call = await archive.recordings.call("RM_1")
        assert call is not None
        assert (call.audio, call.transcript) == ((), ())
        kept = await archive.recordings.call("RM_3")
        assert kept is not None
        assert len(kept.audio) == len(kept.transcript) == 1
    assert await rooms.redis.exists(keys.conversation("RM_1"), keys.conversation("RM_2")) == 0
    assert await rooms.redis.exists(keys.conversation("RM_3")) == 1
    redis: Any = rooms.redis
    entries = await redis.xrange(keys.CALLS)
    assert {fields["sid"] for _, fields in entries} == {"RM_3"}
    assert NUMBER not in json.dumps(entries)
    assert rooms_with_audio(tmp_path) == ["RM_3"]
    notices = NoticeStore(rooms.redis, settings.notices)
    assert {notice.sid for notice in await notices.list_notices("acme")} == {"RM_3"}
    # What waited is not sent.
    assert {delivery.sid for delivery in await notices.take_due(10)} == {"RM_3"}
    # Its keys are those of one call, without the record of an attempt, and those of a tenant.
    left = [key async for key in redis.scan_iter("switchboard:notice*") if "RM_1" in key or "RM_2" in key]
    assert left == []


async def test_what_a_backend_has_asked_for_is_erased_and_nothing_of_another_tenant(
    settings: Settings, rooms: RoomStore, tmp_path: Path
) -> None:
    for sid in ("RM_1", "RM_2"):
        await recorded_call(settings, rooms, sid, NUMBER)
    requests = ErasureRequests(rooms.redis)
    for request in (ErasureRequest("bolt", "RM_2"), ErasureRequest("acme", "RM_1"), ErasureRequest("acme", "RM_1")):
        await requests.add(request)
    async with Database.open(settings.database) as database:
        archive, records = Archive(settings, database, rooms.redis), RecordStore(database)
        assert await archive.requested.erase_requested() == 2
        assert await archive.requested.erase_requested() == 0
        for sid, erased in (("RM_1", True), ("RM_2", False)):
            call = await records.get_call(sid)
            assert call is not None
            assert (call.call.erased_ms is not None, call.call.number is None) == (erased, erased)
    assert rooms_with_audio(tmp_path) == ["RM_2"]
    assert await rooms.redis.exists(keys.conversation("RM_2")) == 1


async def test_a_request_that_cannot_be_done_now_stays_and_holds_up_no_other(
    settings: Settings, rooms: RoomStore, tmp_path: Path
) -> None:
    for sid in ("RM_1", "RM_2", "RM_3"):
        await recorded_call(settings, rooms, sid, NUMBER)
    requests = ErasureRequests(rooms.redis)
    for sid in ("RM_1", "RM_2", "RM_3"):
        await requests.add(ErasureRequest("acme", sid))
        await asyncio.sleep(0.002)
    # A caller has come back: the room is open again.
    await open_some_room(rooms)
    folder = folder_of(tmp_path, "RM_2")
    folder.rename(tmp_path / "aside")
    # A loop, which the object store cannot follow.
    folder.symlink_to(folder)
    async with Database.open(settings.database) as database:
        archive = Archive(settings, database, rooms.redis)
        with pytest.raises(RecordingUnavailable):
            await archive.requested.erase_requested()
        assert {request.sid for request in await requests.oldest(10)} == {"RM_1", "RM_2"}
        folder.unlink()
        (tmp_path / "aside").rename(folder)
        await rooms.close("RM_1")
        assert await archive.requested.erase_requested() == 2
    assert await requests.oldest(10) == []
    assert rooms_with_audio(tmp_path) == []


async def test_a_call_that_goes_on_is_not_erased(settings: Settings, rooms: RoomStore) -> None:
    await open_some_room(rooms)
    status, said = await in_thread("--sid", "RM_1", "--yes")
    assert status == 1
    assert "still going on" in said


async def test_a_call_that_nobody_knows_is_said_to_be_none(settings: Settings, rooms: RoomStore) -> None:
    assert await in_thread("--sid", "RM_1", "--yes") == (0, "no such call")


def test_one_of_sid_and_number_has_to_be_given() -> None:
    for arguments in ((), ("--sid", "RM_1", "--number", NUMBER)):
        assert CliRunner().invoke(erase, arguments).exit_code == 2


async def in_thread(*arguments: str) -> tuple[int, str]:
    """Run the command, which has an event loop of its own. Returns its status, and the last line that it prints."""
    result = await asyncio.to_thread(CliRunner().invoke, erase, arguments)
    return result.exit_code, result.output.strip().splitlines()[-1]
