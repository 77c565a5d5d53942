"""Queries on the records, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from tasks.records import CallFilter, Database, DatabaseUnavailable, InvalidCursor, RecordStore, UsageLine
from tasks.records.erasure import Eraser, RecordErasure
from tasks.records.models import AuditEntry
from tasks.rooms import AttemptEnding, CallState, EndedBy, LossCause
from tasks.settings import DatabaseSettings
from tests.support.databases import OPENED_MS, USAGE, attempt_entry, call_entry, write
from tests.support.postgres import Postgres

MONTH_MS = 31 * 24 * 3600 * 1000
OF_ONE_ATTEMPT = {
    ("llm", "openai", "gpt-4o", "input_tokens"): 120.0,
    ("llm", "openai", "gpt-4o", "output_tokens"): 30.0,
    ("stt", "deepgram", "nova-3", "audio_duration"): 12.5,
    ("tts", "elevenlabs", "flash", "characters_count"): 210.0,
    ("tts", "elevenlabs", "flash", "audio_duration"): 9.25,
}


def amounts(lines: tuple[UsageLine, ...]) -> dict[tuple[str, str, str, str], float]:
    return {(line.kind, line.provider, line.model, line.unit): line.amount for line in lines}


async def sids(store: RecordStore, **wanted: Any) -> list[str]:
    return [call.sid for call in (await store.list_calls(CallFilter(**wanted))).calls]


async def test_the_usage_of_a_call_is_the_sum_over_its_attempts(database: Database, store: RecordStore) -> None:
    more = [*USAGE, {"type": "llm_usage", "provider": "groq", "model": "kimi", "output_tokens": 7}]
    failure = {"type": "provider_failure", "kind": "llm", "index": 0, "provider": "openai", "error": "503", "count": 2}
    await write(
        database,
        [
            attempt_entry("RM_1", ending="handed_over"),
            attempt_entry("RM_1", attempt=2, ending="lost", usage=[*more, failure]),
            attempt_entry("RM_1", attempt=3, handed_over="1"),
            call_entry("RM_1", attempts=3),
        ],
    )
    found = await store.get_call("RM_1")
    assert found is not None
    expected = {key: 3 * amount for key, amount in OF_ONE_ATTEMPT.items()} | {
        ("llm", "groq", "kimi", "output_tokens"): 7
    }
    assert amounts(found.usage) == expected
    assert (found.turns, found.interruptions) == (12, 3)
    assert [attempt.ending for attempt in found.attempts] == ["handed_over", "lost", "ended"]
    assert found.attempts[1].cause is LossCause.FAILED
    assert [(problem.error, problem.times) for problem in found.attempts[1].problems] == [("503", 2)]
    assert found.attempts[0].steps_ms["claimed"] == found.attempts[0].claimed_ms == OPENED_MS + 1000
    assert found.call.state is CallState.ENDED
    assert found.call.attempts == 3


async def test_a_call_is_found_by_each_filter_alone_and_by_all_together(database: Database, store: RecordStore) -> None:
    await write(
        database,
        [
            call_entry("RM_1", number="+4930123"),
            call_entry("RM_2", tenant="bolt", number="+4930999", opened_ms=OPENED_MS + 10),
            call_entry("RM_3", name="meeting", state="dead", ended_by="limit", attempts=0, opened_ms=OPENED_MS + 20),
            call_entry("RM_4", outcome="goodbye", ended_by="agent", opened_ms=OPENED_MS + 30),
            attempt_entry("RM_4", ending="lost", opened_ms=OPENED_MS + 30),
        ],
    )
    assert await sids(store) == ["RM_4", "RM_3", "RM_2", "RM_1"]
    assert await sids(store, tenant="bolt") == ["RM_2"]
    assert await sids(store, number="+4930123") == ["RM_1"]
    assert await sids(store, number="+4930*") == ["RM_2", "RM_1"]
    assert await sids(store, number="+49309*") == ["RM_2"]
    assert await sids(store, name="meeting") == ["RM_3"]
    assert await sids(store, name="call-acme-*") == ["RM_4", "RM_2", "RM_1"]
    assert await sids(store, name="*") == ["RM_4", "RM_3", "RM_2", "RM_1"]
    assert await sids(store, sid="RM_2") == ["RM_2"]
    assert await sids(store, state=CallState.DEAD) == ["RM_3"]
    assert await sids(store, outcome="goodbye") == ["RM_4"]
    assert await sids(store, ended_by=EndedBy.LIMIT) == ["RM_3"]
    assert await sids(store, ending=AttemptEnding.LOST) == ["RM_4"]
    assert await sids(store, since_ms=OPENED_MS + 10, until_ms=OPENED_MS + 30) == ["RM_3", "RM_2"]
    every = CallFilter("acme", "call-*", "RM_1", "+49*", OPENED_MS, OPENED_MS + 1, CallState.ENDED, "room empty")
    assert [call.sid for call in (await store.list_calls(dataclasses.replace(every, ended_by=EndedBy.CALLERS))).calls]
    assert await sids(store, tenant="acme", number="+4930999") == []


async def test_wildcards_of_sql_are_letters_like_any_other(database: Database, store: RecordStore) -> None:
    names = enumerate(("a%b", "a_c", "É"), 1)
    await write(database, [call_entry(f"RM_{number}", name=name) for number, name in names])
    assert await sids(store, name="a%*") == ["RM_1"]
    assert await sids(store, name="a_*") == ["RM_2"]
    assert await sids(store, name="É*") == ["RM_3"]
    assert await sids(store, name="'; DROP TABLE calls; --") == []


async def test_pages_show_each_call_once_also_while_calls_come_in(database: Database, store: RecordStore) -> None:
    # Several were opened in the same millisecond.
    await write(database, [call_entry(f"RM_{number:02}", opened_ms=OPENED_MS + number // 4) for number in range(23)])
    shown: list[str] = []
    cursor = None
    while True:
        page = await store.list_calls(CallFilter(tenant="acme"), cursor=cursor, limit=5)
        shown += [call.sid for call in page.calls]
        cursor = page.next_cursor
        if cursor is None:
            break
        await write(database, [call_entry(f"RM_new_{len(shown)}", opened_ms=OPENED_MS + 1000)])
    assert shown == [f"RM_{number:02}" for number in reversed(range(23))]


@pytest.mark.parametrize("cursor", ["", "x", "1", ".", "-1.RM", "99999999999999999.RM_1", "1" * 400])
async def test_a_cursor_of_nobody_is_refused(store: RecordStore, cursor: str) -> None:
    with pytest.raises(InvalidCursor, match="Begin without one"):
        await store.list_calls(cursor=cursor)


async def test_a_call_is_there_while_only_an_attempt_of_it_has_ended(database: Database, store: RecordStore) -> None:
    await write(database, [attempt_entry("RM_1", ending="handed_over", number="+4930")])
    found = await store.get_call("RM_1")
    assert found is not None
    assert (found.call.state, found.call.attempts, found.call.attempt, found.call.number) == (None, None, 1, "+4930")
    await write(database, [attempt_entry("RM_1", attempt=2, ending="lost")])
    assert [(call.attempt, call.worker) for call in (await store.list_calls()).calls] == [(2, "premium@host2")]


async def test_a_room_that_was_opened_again_is_another_call(database: Database, store: RecordStore) -> None:
    again = OPENED_MS + 60_000
    await write(
        database,
        [
            *(attempt_entry("RM_1"), call_entry("RM_1")),
            *(attempt_entry("RM_1", attempt=2, opened_ms=again), call_entry("RM_1", opened_ms=again, outcome="second")),
        ],
    )
    assert [call.opened_ms for call in (await store.list_calls(CallFilter(sid="RM_1"))).calls] == [again, OPENED_MS]
    newest, first = await store.get_call("RM_1"), await store.get_call("RM_1", opened_ms=OPENED_MS)
    assert newest is not None
    assert first is not None
    assert (newest.call.outcome, first.call.outcome) == ("second", "room empty")
    assert [attempt.attempt for attempt in newest.attempts] == [2]
    assert amounts(first.usage) == OF_ONE_ATTEMPT


async def test_another_tenants_call_is_as_good_as_unknown(database: Database, store: RecordStore) -> None:
    await write(database, [attempt_entry("RM_1", number="+49"), call_entry("RM_1", number="+49")])
    assert await store.get_call("RM_1", tenant="acme") is not None
    assert await store.get_call("RM_1", tenant="bolt") is None
    assert await RecordErasure(database).begin("RM_1", Eraser("ann"), tenant="bolt") is None
    assert await store.usage(since_ms=0, until_ms=OPENED_MS + 1, tenant="bolt") == ()
    assert await sids(store, tenant="") == []


async def test_usage_is_that_of_the_calls_that_were_opened_in_the_period(
    database: Database, store: RecordStore
) -> None:
    last = OPENED_MS + MONTH_MS - 1
    await write(
        database,
        [
            *(attempt_entry("RM_1", seconds=90), call_entry("RM_1")),
            *(attempt_entry("RM_2", opened_ms=last, ending="lost"), call_entry("RM_2", opened_ms=last, state="dead")),
            *(attempt_entry("RM_3", opened_ms=last + 1), call_entry("RM_3", opened_ms=last + 1)),
            *(attempt_entry("RM_4", tenant="bolt"), call_entry("RM_4", tenant="bolt")),
            call_entry("RM_5", attempts=0, state="cancelled"),
        ],
    )
    acme, bolt = await store.usage(since_ms=OPENED_MS, until_ms=last + 1)
    assert (acme.tenant, acme.calls, acme.answered, acme.seconds) == ("acme", 3, 2, 150.0)
    assert amounts(acme.lines) == {key: 2 * amount for key, amount in OF_ONE_ATTEMPT.items()}
    assert (bolt.tenant, bolt.calls, bolt.answered, bolt.seconds) == ("bolt", 1, 1, 60.0)
    assert (await store.usage(since_ms=OPENED_MS, until_ms=last + 1, tenant="bolt")) == (bolt,)


async def test_erasure_leaves_the_bare_record_and_nothing_that_is_written_later_brings_back_what_it_took(
    database: Database, store: RecordStore
) -> None:
    await write(database, [attempt_entry("RM_1", number="+4930"), attempt_entry("RM_2", number="+4931")])
    erasure = RecordErasure(database)
    assert await erasure.find("+4930") == ["RM_1"]
    assert await erasure.begin("RM_1", Eraser("ann")) == "acme"
    # The number is there for an erasure that breaks off, and for nobody else.
    assert await erasure.find("+4930") == ["RM_1"]
    assert await sids(store, number="+4930") == []
    begun = await store.get_call("RM_1")
    assert begun is not None
    assert (begun.call.number, begun.call.name) == (None, "")
    await erasure.finish("RM_1")
    assert await erasure.find("+4930") == []
    await write(
        database,
        [attempt_entry("RM_1", attempt=2, number="+4930"), call_entry("RM_1", attempts=2, number="+4930")],
    )
    found = await store.get_call("RM_1")
    assert found is not None
    assert (found.call.number, found.call.name, found.call.attempts) == (None, "", 2)
    assert found.call.erased_ms is not None
    assert amounts(found.usage)["llm", "openai", "gpt-4o", "input_tokens"] == 240
    assert await sids(store, number="+4930") == []
    assert await sids(store, number="+4931") == ["RM_2"]
    assert await erasure.begin("RM_1", Eraser("ann")) == "acme"
    again = await store.get_call("RM_1")
    assert again is not None
    assert again.call.erased_ms == found.call.erased_ms


async def test_consoles_that_try_one_request_at_once_are_one_entry_and_a_command_that_is_repeated_is_two(
    database: Database,
) -> None:
    await write(database, [attempt_entry("RM_1"), call_entry("RM_1")])
    erasure = RecordErasure(database)
    request, command = Eraser("backend of acme", request="acme RM_1 k1"), Eraser("command of ann")
    await asyncio.gather(*(erasure.begin("RM_1", request, tenant="acme") for _ in range(4)))
    for _ in range(2):
        assert await erasure.begin("RM_1", command) == "acme"
    # The room was opened again, which is another call.
    await write(database, [call_entry("RM_1", opened_ms=OPENED_MS + 1, attempts=0)])
    assert await erasure.begin("RM_1", request, tenant="acme") == "acme"
    async with database.transaction() as connection:
        names = list((await connection.execute(select(AuditEntry.operator))).scalars())
    assert Counter(names) == {"backend of acme": 2, "command of ann": 2}


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
async def test_a_server_that_stands_still_is_left_at_the_deadline_and_is_used_again_when_it_goes_on(
    settings: DatabaseSettings, postgres: Postgres
) -> None:
    async with Database.open(settings.model_copy(update={"deadline_seconds": 1.0})) as database:
        store = RecordStore(database)
        assert (await store.list_calls()).calls == ()
        postgres.pause()
        try:
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await store.list_calls()
            seconds = time.monotonic() - began
        finally:
            postgres.resume()
        await write(database, [call_entry("RM_1")])
        assert await sids(store) == ["RM_1"]
    # psycopg tries for 5 s to cancel the query before it gives up the connection.
    assert seconds < 15
