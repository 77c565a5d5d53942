"""No call is left out and none is counted twice, whatever happens to exporters and to Redis."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from ops.metrics import catalogue, ledger
from ops.metrics.ledger import OTHER, Ledger
from ops.metrics.series import Distribution
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore, keys
from tests.integration.ops.metrics.histories import Histories

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERED = ("premium", "answered")


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _empty(rooms: RoomStore) -> None:
    await rooms.redis.flushdb()


@pytest_asyncio.fixture(loop_scope="module")
async def other_client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with redis_server.client() as client:
        yield client


@pytest.fixture
def histories(rooms: RoomStore) -> Histories:
    return Histories(rooms)


def answered(book: Ledger) -> float:
    value = book.series.get(catalogue.CALLS_ENDED, *ANSWERED)
    return 0 if value is None or isinstance(value, Distribution) else value


def counts(book: Ledger) -> Mapping[tuple[str, tuple[str, ...]], object]:
    return {(metric.name, found): value for metric, found, value in book.series.items()}


async def newest_entry(rooms: RoomStore) -> list[tuple[str, dict[str, str]]]:
    return cast("list[tuple[str, dict[str, str]]]", await rooms.redis.xrevrange(keys.CALLS, count=1))


async def answer(histories: Histories, *names: str) -> None:
    for name in names:
        await histories.answered(f"RM_{name}", "acme")


async def test_an_exporter_that_was_restarted_goes_on_with_the_same_counts(
    rooms: RoomStore, histories: Histories
) -> None:
    first = Ledger(rooms.redis)
    await answer(histories, "1", "2")
    await first.advance()
    await answer(histories, "while_it_was_down")
    second = Ledger(rooms.redis)
    await second.advance()
    assert answered(second) == 3
    await first.advance()
    assert counts(first) == counts(second)


async def test_two_exporters_at_once_show_the_same_and_count_each_call_once(
    rooms: RoomStore, other_client: Redis, histories: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BATCH", 3)
    one, two = Ledger(rooms.redis), Ledger(other_client)
    for number in range(10):
        await answer(histories, str(number))
        await asyncio.gather(one.advance(), two.advance())
    await asyncio.gather(one.advance(), two.advance())
    third = Ledger(rooms.redis)
    await third.advance()
    assert answered(one) == answered(two) == answered(third) == 10
    assert counts(one) == counts(two) == counts(third)


async def test_counts_go_on_when_redis_has_lost_the_last_writes_in_a_failover(
    rooms: RoomStore, histories: Histories
) -> None:
    """Prometheus would take a lower value for a restart, and count everything a second time."""
    book = Ledger(rooms.redis)
    await answer(histories, "1")
    await book.advance()
    before = await rooms.redis.dump(keys.METRICS)
    ((newest, _),) = await newest_entry(rooms)
    await answer(histories, "2")
    await book.advance()
    # The replica that takes over had received none of that.
    await rooms.redis.restore(keys.METRICS, 0, before or b"", replace=True)
    await rooms.redis.xtrim(keys.CALLS, maxlen=0, approximate=False)
    await rooms.redis.delete(keys.CALLS)
    await rooms.redis.xadd(keys.CALLS, {"kind": "of another version"}, id=newest)
    assert answered(book) == 2
    await answer(histories, "3")
    await book.advance()
    assert answered(book) == 3
    restarted = Ledger(rooms.redis)
    await restarted.advance()
    assert answered(restarted) == 3


async def test_counts_go_on_when_redis_has_forgotten_everything(rooms: RoomStore, histories: Histories) -> None:
    book = Ledger(rooms.redis)
    await answer(histories, "1", "2")
    await book.advance()
    await rooms.redis.flushdb()
    await answer(histories, "3")
    await book.advance()
    assert answered(book) == 3
    restarted = Ledger(rooms.redis)
    await restarted.advance()
    assert counts(restarted) == counts(book)


async def test_an_entry_that_cannot_be_read_keeps_no_later_one_from_being_counted(
    rooms: RoomStore, histories: Histories, caplog: pytest.LogCaptureFixture
) -> None:
    book = Ledger(rooms.redis)
    await answer(histories, "1")
    odd: list[dict[str, str]] = [
        {"sid": "RM_of_an_older_version", "outcome": "room empty"},
        {"kind": "call", "tier": "premium"},
        {"kind": "attempt", "tier": "premium", "attempt": "1", "ending": "ended", "usage": "no JSON"},
        {"kind": "attempt", "tier": "premium", "attempt": "1", "ending": "ended", "turns": "[]"},
    ]
    for fields in odd:
        await rooms.redis.xadd(keys.CALLS, fields)  # type: ignore[arg-type]
    await answer(histories, "2")
    with caplog.at_level(logging.WARNING):
        await book.advance()
    assert answered(book) == 2
    assert [record.message for record in caplog.records] == ["entry not counted"] * len(odd)


@pytest.mark.parametrize("amount", [-5, None, "12", [1], float("nan"), float("inf"), True])
async def test_usage_that_is_no_number_does_not_make_a_counter_fall(rooms: RoomStore, amount: object) -> None:
    book = Ledger(rooms.redis)
    usage = [
        {"type": "llm_usage", "provider": "p", "model": "m", "input_tokens": 7},
        {"type": "llm_usage", "provider": "p", "model": "m", "input_tokens": amount},
        {"type": None},
        "odd",
    ]
    record = {"kind": "attempt", "tier": "premium", "attempt": "1", "ending": "ended", "usage": json.dumps(usage)}
    await rooms.redis.xadd(keys.CALLS, record)  # type: ignore[arg-type]
    await book.advance()
    tokens = book.series.get(catalogue.USAGE_TOKENS, "premium", "", "p", "m", "input")
    assert tokens == (8 if amount is True else 7)


async def test_models_that_agents_invent_make_no_more_series_than_a_bound(
    rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label with a value for each call would fill Prometheus."""
    monkeypatch.setattr(ledger, "MOST_OPEN_LABELS", 3)
    book = Ledger(rooms.redis)
    for number in range(6):
        usage = [{"type": "tts_usage", "provider": "p", "model": f"voice-{number}", "characters_count": 10}]
        record = {"kind": "attempt", "tier": "free", "attempt": "1", "ending": "ended", "usage": json.dumps(usage)}
        await rooms.redis.xadd(keys.CALLS, record)  # type: ignore[arg-type]
    await book.advance()
    restarted = Ledger(rooms.redis)
    await restarted.advance()
    for each in (book, restarted):
        assert each.series.of(catalogue.USAGE_CHARACTERS) == {
            ("free", "", "p", "voice-0"): 10,
            ("free", "", "p", "voice-1"): 10,
            ("free", "", "p", "voice-2"): 10,
            ("free", "", OTHER, OTHER): 30,
        }


async def test_a_histogram_of_other_buckets_begins_anew(rooms: RoomStore, histories: Histories) -> None:
    """It was stored by another version."""
    book = Ledger(rooms.redis)
    await answer(histories, "1")
    await book.advance()
    field = json.dumps([catalogue.CALL_SECONDS.name, "premium"], separators=(",", ":"))
    stored = {"counts": {"1.0": 5, "+Inf": 9}, "total": 3}
    await rooms.redis.hset(keys.METRICS, field, json.dumps(stored))
    await rooms.redis.hset(keys.METRICS, '["switchboard_gone_total","premium"]', "5")
    await answer(histories, "2")
    restarted = Ledger(rooms.redis)
    await restarted.advance()
    lengths = restarted.series.get(catalogue.CALL_SECONDS, "premium")
    assert isinstance(lengths, Distribution)
    assert sum(lengths.counts) == 1
    assert answered(restarted) == 2


async def test_entries_that_were_trimmed_before_they_were_counted_are_said(
    rooms: RoomStore, histories: Histories, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ledger, "BATCH", 2)
    book = Ledger(rooms.redis)
    await answer(histories, "1")
    await book.advance()
    await answer(histories, "2", "3", "4")
    await rooms.redis.xtrim(keys.CALLS, maxlen=3, approximate=False)
    with caplog.at_level(logging.WARNING):
        await book.advance()
    assert answered(book) == 3
    assert [record.message for record in caplog.records] == ["entries were trimmed before they were counted"]


async def test_nothing_is_shown_before_all_entries_were_counted_once(
    rooms: RoomStore, histories: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would show at first would look like a sudden rise a scrape later."""
    monkeypatch.setattr(ledger, "BATCH", 1)
    monkeypatch.setattr(ledger, "CONFLICTS", 0)
    book = Ledger(rooms.redis)
    await answer(histories, "1")
    await book.advance()
    assert not book.is_current
    monkeypatch.setattr(ledger, "CONFLICTS", 5)
    await book.advance()
    assert book.is_current


async def test_thousands_of_series_are_saved_at_once(rooms: RoomStore) -> None:
    """Lua's `unpack` has a limit of about 8,000."""
    usage = [
        {"type": "tts_usage", "provider": "p", "model": f"voice-{number}", "characters_count": 1}
        for number in range(12)
    ]
    async with rooms.redis.pipeline(transaction=False) as pipe:
        for number in range(ledger.BATCH):
            record = {
                "kind": "attempt",
                "tier": "free",
                "attempt": "1",
                "ending": "ended",
                "tenant": f"tenant-{number}",
            }
            pipe.xadd(keys.CALLS, record | {"usage": json.dumps(usage)})  # type: ignore[arg-type]
        await pipe.execute()
    await Ledger(rooms.redis).advance()
    restarted = Ledger(rooms.redis)
    await restarted.advance()
    assert len(restarted.series.of(catalogue.USAGE_CHARACTERS)) == ledger.BATCH * len(usage)
