"""Every metric of the exporter has the value that it must have after scripted histories of rooms, in a real Redis."""

from __future__ import annotations

import asyncio
import subprocess
from importlib.metadata import version
from typing import Any, cast

import pytest
import pytest_asyncio

from ops.metrics.catalogue import METRICS, Kind
from ops.stack.exporter import Exporter
from tasks.rooms import Intake, RoomStore, SweepName, keys
from tests.integration.ops.metrics.conftest import ExporterMaker
from tests.integration.ops.metrics.histories import Histories, Seconds, all_histories, beat, worker
from tests.integration.ops.metrics.scrape import Labels, Scrape, labels, scrape
from tests.support.rooms import open_some_room
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seconds(rooms: RoomStore) -> Seconds:
    return await all_histories(rooms)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scraped(exporter: Exporter, seconds: Seconds) -> Scrape:
    return await scrape(exporter.url)


ONE, TWO = labels(worker="celery@one"), labels(worker="celery@two")


def by_tier(premium: float, standard: float, free: float, none: float | None = None) -> dict[Labels, float]:
    found = {"premium": premium, "standard": standard, "free": free} | ({} if none is None else {"none": none})
    return {labels(tier=tier): value for tier, value in found.items()}


def usage(*more: tuple[str, str], provider: str, model: str, premium: float, standard: float) -> dict[Labels, float]:
    return {
        labels(tier=tier, tenant="", provider=provider, model=model, **dict(more)): value
        for tier, value in (("premium", premium), ("standard", standard))
    }


VALUES: dict[str, dict[Labels, float]] = {
    "build_info": {labels(version=version("livekit-switchboard"), livekit_agents=version("livekit-agents")): 1},
    "redis_up": {labels(): 1},
    "worker_busy_slots": {ONE: 4, TWO: 4},
    "worker_idle_slots": {ONE: 3, TWO: 3},
    "worker_slot_limit": {ONE: 8, TWO: 8},
    "worker_load_ratio": {ONE: 0.25, TWO: 0.25},
    "worker_reserved_ratio": {ONE: 0.125, TWO: 0.125},
    "worker_intake": {
        labels(worker="celery@one", state="open"): 1,
        labels(worker="celery@two", state="draining"): 1,
    },
    "worker_queue": {
        labels(worker="celery@one", queue="premium"): 1,
        labels(worker="celery@one", queue="standard"): 1,
        labels(worker="celery@two", queue="premium"): 1,
    },
    "worker_late_renewals_total": {ONE: 5, TWO: 5},
    "queue_messages": {labels(queue="standard"): 1},
    "queue_workers": {labels(queue="premium"): 1, labels(queue="standard"): 1},
    "queue_idle_slots": {labels(queue="premium"): 3, labels(queue="standard"): 3},
    "rooms": {
        labels(tier="premium", state="running"): 1,
        labels(tier="standard", state="queued"): 1,
        labels(tier="free", state="waiting"): 1,
    },
    "tier_promise_seconds": {labels(tier="premium"): 5, labels(tier="free"): 60.5},
    "calls_started_total": by_tier(5, 3, 4, 1),
    "calls_ended_total": {
        labels(tier="premium", outcome="answered"): 2,
        labels(tier="standard", outcome="answered"): 2,
        labels(tier="free", outcome="abandoned"): 1,
        labels(tier="free", outcome="refused"): 1,
        labels(tier="premium", outcome="dead"): 2,
        labels(tier="free", outcome="dead"): 1,
        labels(tier="none", outcome="dead"): 1,
    },
    "attempts_ended_total": {
        labels(tier="premium", ending="ended"): 2,
        labels(tier="premium", ending="lost"): 2,
        labels(tier="premium", ending="dead"): 1,
        labels(tier="standard", ending="ended"): 2,
        labels(tier="standard", ending="lost"): 1,
        labels(tier="standard", ending="handed_over"): 1,
    },
    "calls_recovered_total": {labels(tier="premium"): 1, labels(tier="standard"): 1},
    "dead_letters_total": {
        labels(tier="premium", kind="attempts"): 1,
        labels(tier="premium", kind="unanswerable"): 1,
        labels(tier="free", kind="wait"): 1,
        labels(tier="none", kind="tenant"): 1,
    },
    "provider_errors_total": {labels(kind="llm", provider="openai", error="401"): 8},
    "provider_fallbacks_total": {labels(kind="llm", provider="openai"): 8},
    "call_claim_seconds_count": {labels(tier="premium"): 5, labels(tier="standard"): 4},
    "call_first_audio_seconds_count": {labels(tier="premium"): 2, labels(tier="standard"): 2},
    "call_seconds_count": {labels(tier="premium"): 4, labels(tier="standard"): 2},
    "call_reply_seconds_count": {labels(tier="premium"): 4, labels(tier="standard"): 4},
    "call_reply_seconds_sum": {labels(tier="premium"): 4, labels(tier="standard"): 4},
    "call_interruptions_count": {labels(tier="premium"): 2, labels(tier="standard"): 2},
    "call_interruptions_sum": {labels(tier="premium"): 2, labels(tier="standard"): 2},
    "call_gap_seconds_count": {labels(tier="premium"): 1, labels(tier="standard"): 1},
    "reconciler_up": {labels(): 1},
    "reconciler_last_tick_timestamp_seconds": {labels(): 1_700_000_000.5},
    "reconciler_repairs_total": {labels(sweep=SweepName.LOST_CALLS): 2, labels(sweep=SweepName.PERMITS): 3},
    "records_unwritten_seconds": {},
    "records_lost_total": {labels(): 2},
    "records_rejected_total": {labels(): 1},
    "notice_events": {labels(): 1},
    "notice_backends_disabled": {labels(): 1},
    "notice_tries_total": {labels(result="delivered"): 5, labels(result="failed"): 2},
    "notices_total": {labels(outcome="delivered"): 4, labels(outcome="given_up"): 1},
    "erasures_waiting": {labels(): 1},
    "uploads_total": {
        labels(kind="recordings", outcome="taken"): 2,
        labels(kind="traces", outcome="refused"): 1,
    },
    "usage_tokens_total": usage(("direction", "input"), provider="openai", model="gpt-x", premium=200, standard=200)
    | usage(("direction", "output"), provider="openai", model="gpt-x", premium=40, standard=40),
    "usage_characters_total": usage(provider="eleven", model="flash", premium=100, standard=100),
    "usage_audio_seconds_total": usage(("kind", "tts"), provider="eleven", model="flash", premium=5, standard=5)
    | usage(("kind", "stt"), provider="deepgram", model="nova", premium=20, standard=20),
}
"""What a scrape shows of each metric, without zeros."""
MEASURED = {
    "oldest_wait_seconds",
    "usage_call_seconds_total",
    "notice_oldest_event_seconds",
    "records_kept_seconds",
    "records_in_stream",
}
"""Metrics whose values depend on the moment; tests of their own have them."""


@pytest.mark.parametrize("name", VALUES)
async def test_a_metric_has_the_value_that_it_must_have(scraped: Scrape, name: str) -> None:
    assert scraped.only(name, without_zeros=True) == VALUES[name]


async def test_no_metric_is_without_a_test_of_its_value() -> None:
    tested = {name.removesuffix("_count") for name in {*VALUES, *MEASURED} if not name.endswith("_sum")}
    assert {metric.name.removeprefix("switchboard_") for metric in METRICS} == tested


async def test_seconds_are_those_between_the_steps(scraped: Scrape, seconds: Seconds) -> None:
    heard = seconds.first_audio
    first_audio = scraped.only("call_first_audio_seconds_sum")
    assert first_audio[labels(tier="premium")] == pytest.approx(heard["RM_answered"] + heard["RM_lost"])
    # A caller whose first agent said nothing has waited for the second one.
    expected = heard["RM_lost_unheard"] + heard["RM_handed_over"]
    assert first_audio[labels(tier="standard")] == pytest.approx(expected)
    assert sum(scraped.only("call_gap_seconds_sum").values()) == pytest.approx(sum(seconds.gaps))
    with_agent = scraped.only("usage_call_seconds_total")
    assert sum(with_agent.values()) >= seconds.with_agent
    assert sum(with_agent.values()) == pytest.approx(seconds.with_agent, abs=0.5)


async def test_the_oldest_wait_grows_until_the_room_is_claimed(
    exporter: Exporter, rooms: RoomStore, seconds: Seconds
) -> None:
    before = (await scrape(exporter.url)).only("oldest_wait_seconds")
    await asyncio.sleep(0.05)
    after = (await scrape(exporter.url)).only("oldest_wait_seconds")
    assert before[labels(tier="premium")] == after[labels(tier="premium")] == 0
    for tier in ("standard", "free"):
        assert 0 < before[labels(tier=tier)] < after[labels(tier=tier)] < 60


async def test_the_oldest_event_has_the_age_by_redis_clock(scraped: Scrape) -> None:
    assert 60 <= scraped.only("notice_oldest_event_seconds")[labels()] < 180


async def test_the_stream_of_records_is_as_long_and_as_old_as_redis_says(rooms: RoomStore, scraped: Scrape) -> None:
    ((oldest, _),) = cast("list[tuple[str, Any]]", await rooms.redis.xrange(keys.CALLS, count=1))
    seconds, _ = await rooms.redis.time()
    assert scraped.only("records_in_stream")[labels()] == await rooms.redis.xlen(keys.CALLS)
    age = int(seconds) - int(oldest.partition("-")[0]) / 1000
    assert 0 < scraped.only("records_kept_seconds")[labels()] < age + 1


async def test_records_that_no_writer_has_read_wait(exporter: Exporter, rooms: RoomStore, seconds: Seconds) -> None:
    await rooms.redis.xgroup_setid(keys.CALLS, keys.RECORD_WRITERS, "0")
    waiting = await scrape(exporter.url)
    assert waiting.only("records_unwritten_seconds") == waiting.only("records_kept_seconds")


async def test_a_histogram_counts_in_the_buckets_of_its_bounds(scraped: Scrape) -> None:
    def below(bound: str) -> float | None:
        return scraped.value("call_reply_seconds_bucket", tier="premium", le=bound)

    assert [below(bound) for bound in ("0.25", "0.5", "1.5", "2.0", "+Inf")] == [0, 2, 2, 4, 4]
    assert scraped.value("call_interruptions_bucket", tier="premium", le="0.0") == 0
    assert scraped.value("call_interruptions_bucket", tier="premium", le="1.0") == 2


async def test_each_kind_is_what_prometheus_reads(scraped: Scrape) -> None:
    for metric in METRICS:
        family = scraped.families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind
        assert family.documentation == metric.help


async def test_what_may_come_is_zero_from_the_beginning(make_exporter: ExporterMaker, scraped: Scrape) -> None:
    """Otherwise Prometheus would not see the first increase of a counter."""
    for tier in ("premium", "standard", "free"):
        for outcome in ("answered", "abandoned", "dead", "refused"):
            assert scraped.value("calls_ended_total", tier=tier, outcome=outcome) is not None
        for kind in ("tenant", "wait", "attempts", "unanswerable"):
            assert scraped.value("dead_letters_total", tier=tier, kind=kind) is not None
        assert scraped.value("call_gap_seconds_count", tier=tier) is not None
        assert scraped.value("calls_recovered_total", tier=tier) is not None
    assert len(scraped.only("reconciler_repairs_total")) == len(SweepName)
    assert len(scraped.only("worker_intake")) == 2 * len(Intake)


async def test_promtool_finds_nothing_to_complain_about(scraped: Scrape) -> None:
    command = ["promtool", "check", "metrics"]
    checked = await asyncio.to_thread(
        subprocess.run, command, input=scraped.text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


async def test_openmetrics_is_served_to_those_who_ask_for_it(exporter: Exporter, seconds: Seconds) -> None:
    text = (await scrape(exporter.url, accept="application/openmetrics-text; version=1.0.0")).text
    assert text.endswith("# EOF\n")


async def test_no_label_names_a_room_or_a_caller(scraped: Scrape) -> None:
    assert "RM_" not in scraped.text
    assert "call-acme" not in scraped.text
    names = {name for _, found in scraped.ours for name, _ in found}
    assert names == {
        *("version", "livekit_agents", "worker", "state", "queue", "tier", "outcome", "ending", "kind", "le"),
        *("provider", "error", "sweep", "tenant", "model", "direction", "result"),
    }


async def test_usage_is_shown_by_tenant_where_the_setting_asks_for_it(
    make_exporter: ExporterMaker, scraped: Scrape
) -> None:
    by_tenant = make_exporter("by-tenant", SWITCHBOARD_METRICS_BY_TENANT="true")
    await by_tenant.start()
    shown = await scrape(by_tenant.url)
    await by_tenant.stop()
    characters = {
        labels(tier="premium", tenant="acme", provider="eleven", model="flash"): 100.0,
        labels(tier="standard", tenant="beta", provider="eleven", model="flash"): 100.0,
    }
    assert shown.only("usage_characters_total") == characters
    assert shown.value("usage_call_seconds_total", tier="premium", tenant="acme")


async def test_a_worker_that_is_gone_leaves_no_series_behind(exporter: Exporter, rooms: RoomStore) -> None:
    await beat(rooms, worker("celery@gone", Intake.OPEN, queues=("premium",)), ms=200)
    assert "celery@gone" in (await scrape(exporter.url)).text

    async def gone() -> bool:
        return "celery@gone" not in (await scrape(exporter.url)).text

    await until(gone, 5)


async def test_a_key_that_is_no_heartbeat_keeps_nothing_from_being_shown(exporter: Exporter, rooms: RoomStore) -> None:
    await rooms.redis.set(keys.worker("celery@odd"), "x", px=60_000)
    await rooms.redis.hset(keys.worker("celery@partial"), "state", "open")
    await rooms.redis.pexpire(keys.worker("celery@partial"), 60_000)
    shown = await scrape(exporter.url)
    await rooms.redis.delete(keys.worker("celery@odd"), keys.worker("celery@partial"))
    assert shown.value("redis_up") == 1
    assert shown.value("worker_busy_slots", worker="celery@one") == 4
    assert "celery@odd" not in shown.text


async def test_a_room_that_was_opened_again_has_waited_since_then(exporter: Exporter, rooms: RoomStore) -> None:
    """LiveKit's start of the room may be hours ago."""
    histories = Histories(rooms)
    before = (await scrape(exporter.url)).only("call_first_audio_seconds_sum")[labels(tier="premium")]
    await histories.answered("RM_again", "acme")
    first = histories.seconds.first_audio["RM_again"]
    ended = await rooms.get("RM_again")
    assert ended is not None
    await open_some_room(
        rooms,
        "RM_again",
        name="call-acme-again",
        started_at_ms=ended.steps_ms["room_started"] - 3_600_000,
        attempt=2,
        ended_before_ms=ended.steps_ms["ended"] + 1,
    )
    await histories.claim("RM_again", 2)
    await rooms.renew("RM_again", 2, steps={"joined": 100, "first_audio": 300})
    assert await rooms.end("RM_again", 2, outcome="room empty")
    after = (await scrape(exporter.url)).only("call_first_audio_seconds_sum")[labels(tier="premium")]
    assert 0.299 < after - before - first < 10


async def test_every_metric_is_of_a_kind_with_the_suffix_that_it_needs() -> None:
    for metric in METRICS:
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")


async def test_scrapes_at_the_same_time_show_the_same(exporter: Exporter, rooms: RoomStore) -> None:
    await Histories(rooms).answered("RM_while_many_scrape", "acme")
    shown = await asyncio.gather(*(scrape(exporter.url) for _ in range(5)))
    assert len({each.value("calls_ended_total", tier="premium", outcome="answered") for each in shown}) == 1
