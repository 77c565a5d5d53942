"""`switchboard calls erase`: what is gone then, and what stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ops.commands.calls.erase import erase, login_name
from ops.console.audit import Audit
from ops.recordings.archive import Archive
from ops.recordings.object_store import RecordingUnavailable
from ops.recordings.store import Source
from ops.stack.redis import RedisServer
from tasks.background.notices import NoticeStore
from tasks.records import CallFilter, Database, RecordStore
from tasks.records.entries import read_entry
from tasks.records.erasure import Eraser
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


@contextmanager
def audio_out_of_reach(recordings: Path, sid: str) -> Iterator[None]:
    """Put a loop in the place of a room's folder, which the object store cannot follow."""
    folder = folder_of(recordings, sid)
    aside = folder.rename(recordings / "aside")
    folder.symlink_to(folder)
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


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
        entries = await Audit(database).newest()
        told = [(each.operator, each.action, each.subject, each.tenant, each.detail) for each in entries]
        who = (f"command of {login_name()}", "erased the call")
        assert sorted(told) == [(*who, sid, "acme", "by a number, one of 2") for sid in ("RM_1", "RM_2")]
        # What is erased must not live on in the entry.
        assert NUMBER not in str(entries)
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
    for tenant, sid in (("bolt", "RM_2"), ("acme", "RM_1"), ("acme", "RM_1")):
        await requests.add(ErasureRequest(tenant, sid, "k1"))
    async with Database.open(settings.database) as database:
        archive, records = Archive(settings, database, rooms.redis), RecordStore(database)
        assert await archive.requested.erase_requested() == 2
        assert await archive.requested.erase_requested() == 0
        # It is a request again, and no other erasure; the second key's is another one.
        for key in ("k1", "k2"):
            await requests.add(ErasureRequest("acme", "RM_1", key))
        assert await archive.requested.erase_requested() == 2
        entries = [(each.operator, each.subject, each.tenant, each.detail) for each in await Audit(database).newest()]
        assert sorted(entries) == [
            ("backend of acme", "RM_1", "acme", "by the API, key k1"),
            ("backend of acme", "RM_1", "acme", "by the API, key k2"),
        ]
        for sid, erased in (("RM_1", True), ("RM_2", False)):
            call = await records.get_call(sid)
            assert call is not None
            assert (call.call.erased_ms is not None, call.call.number is None) == (erased, erased)
    assert rooms_with_audio(tmp_path) == ["RM_2"]
    assert await rooms.redis.exists(keys.conversation("RM_2")) == 1


async def test_a_request_of_a_receiver_that_is_not_upgraded_yet_is_done_too(
    settings: Settings, rooms: RoomStore
) -> None:
    await recorded_call(settings, rooms, "RM_1", NUMBER)
    redis: Any = rooms.redis
    await redis.zadd(keys.ERASURES, {"acme\0RM_1": 1})
    async with Database.open(settings.database) as database:
        assert await Archive(settings, database, rooms.redis).requested.erase_requested() == 1
        (entry,) = await Audit(database).newest()
    assert (entry.operator, entry.detail) == ("backend of acme", "by the API")
    assert await ErasureRequests(rooms.redis).oldest(10) == []


async def test_a_request_that_cannot_be_done_now_stays_and_holds_up_no_other(
    settings: Settings, rooms: RoomStore, tmp_path: Path
) -> None:
    for sid in ("RM_1", "RM_2", "RM_3"):
        await recorded_call(settings, rooms, sid, NUMBER)
    requests = ErasureRequests(rooms.redis)
    for sid in ("RM_1", "RM_2", "RM_3"):
        await requests.add(ErasureRequest("acme", sid, "k1"))
        await asyncio.sleep(0.002)
    # A caller has come back: the room is open again.
    await open_some_room(rooms)
    async with Database.open(settings.database) as database:
        archive = Archive(settings, database, rooms.redis)
        with audio_out_of_reach(tmp_path, "RM_2"):
            for _ in range(2):
                with pytest.raises(RecordingUnavailable):
                    await archive.requested.erase_requested()
        assert {request.sid for request in await requests.oldest(10)} == {"RM_1", "RM_2"}
        room = await rooms.get("RM_1")
        assert room is not None
        await rooms.close("RM_1")
        assert await archive.requested.erase_requested() == 1
        # The record of the call after the first one, which would bring the number back, is written now.
        await databases.write(database, [databases.call_entry("RM_1", opened_ms=room.opened_ms, attempts=0)])
        assert await archive.requested.erase_requested() == 1
        # However often each was tried.
        assert sorted(entry.subject for entry in await Audit(database).newest()) == ["RM_1", "RM_2", "RM_3"]
    assert await requests.oldest(10) == []
    assert rooms_with_audio(tmp_path) == []


async def test_a_call_that_goes_on_is_not_erased(settings: Settings, rooms: RoomStore) -> None:
    await open_some_room(rooms)
    status, said = await in_thread("--sid", "RM_1", "--yes")
    assert status == 1
    assert "still going on" in said


async def test_an_erasure_by_number_that_broke_off_is_done_again_by_the_number(
    settings: Settings, rooms: RoomStore, tmp_path: Path
) -> None:
    for sid in ("RM_1", "RM_2"):
        await recorded_call(settings, rooms, sid, NUMBER)
    with audio_out_of_reach(tmp_path, "RM_1"):
        status, said = await in_thread("--number", NUMBER, "--yes")
    assert (status, said) == (1, "1 erased, 1 not: do it again")
    # The other one was not held up, and nobody who searches finds the number meanwhile.
    assert rooms_with_audio(tmp_path) == ["RM_1"]
    async with Database.open(settings.database) as database:
        assert (await RecordStore(database).list_calls(CallFilter(number=NUMBER))).calls == ()
        left = await RecordStore(database).get_call("RM_1")
        assert left is not None
        assert left.call.number is None
    assert await in_thread("--number", NUMBER, "--yes") == (0, "1 erased")
    assert rooms_with_audio(tmp_path) == []
    assert await in_thread("--number", NUMBER, "--yes") == (0, "no such call")


async def test_a_call_of_the_number_that_goes_on_after_its_first_attempt_is_not_erased(
    settings: Settings, rooms: RoomStore
) -> None:
    await recorded_call(settings, rooms, "RM_2", NUMBER)
    await open_some_room(rooms)
    async with Database.open(settings.database) as database:
        await databases.write(database, [databases.attempt_entry("RM_1", number=NUMBER)])
    await rooms.redis.set(keys.conversation("RM_1"), b"encrypted", ex=3600)
    assert await in_thread("--number", NUMBER, "--yes") == (1, "1 erased, 1 not: do it again")
    assert await rooms.redis.exists(keys.conversation("RM_1"), keys.conversation("RM_2")) == 1


async def test_a_call_whose_record_is_not_written_yet_is_not_erased_as_the_record_would_bring_the_number(
    settings: Settings, rooms: RoomStore
) -> None:
    await open_some_room(rooms)
    await rooms.close("RM_1")
    status, said = await in_thread("--sid", "RM_1", "--yes")
    assert status == 1
    assert "not written yet" in said


@pytest.mark.usefixtures("rooms")
async def test_a_call_that_nobody_knows_is_said_to_be_none(settings: Settings) -> None:
    # A number in the wrong place stays out of the audit log, too.
    for sid in ("RM_1", NUMBER):
        assert await in_thread("--sid", sid, "--yes") == (0, "no such call")
    async with Database.open(settings.database) as database:
        assert await Audit(database).newest() == []


@pytest.mark.parametrize(("uid", "name"), [(0, "ann"), (4711, "uid 4711")])
def test_the_name_of_a_user_is_that_of_the_account_and_only_root_has_another_one_by_sudo(
    uid: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr("os.getuid", lambda: uid)
    assert login_name() == name


async def test_without_its_entry_in_the_audit_log_nothing_is_erased(
    settings: Settings, rooms: RoomStore, tmp_path: Path
) -> None:
    await recorded_call(settings, rooms, "RM_1", NUMBER)
    async with Database.open(settings.database) as database:
        async with database.transaction() as connection:
            refusal = "CREATE TRIGGER refusal BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no'); END"
            await connection.execute(text(refusal))
        with pytest.raises(IntegrityError):
            await Archive(settings, database, rooms.redis).erasure.erase("RM_1", Eraser("ann"))
        call = await RecordStore(database).get_call("RM_1")
        assert call is not None
        assert (call.call.number, call.call.erased_ms) == (NUMBER, None)
    assert rooms_with_audio(tmp_path) == ["RM_1"]
    assert await rooms.redis.exists(keys.conversation("RM_1")) == 1


def test_one_of_sid_and_number_has_to_be_given() -> None:
    for arguments in ((), ("--sid", "RM_1", "--number", NUMBER)):
        assert CliRunner().invoke(erase, arguments).exit_code == 2


async def in_thread(*arguments: str) -> tuple[int, str]:
    """Run the command, which has an event loop of its own. Returns its status, and the last line that it prints."""
    result = await asyncio.to_thread(CliRunner().invoke, erase, arguments)
    return result.exit_code, result.output.strip().splitlines()[-1]
