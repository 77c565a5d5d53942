"""The value that each metric must have after the twenty calls, by how the calls were made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.integration.prometheus.promtool import alerts
from tests.observation.monitoring import Alert

RECORDS_NOT_WRITTEN: Alert = ("SwitchboardRecordsNotWritten", "")
NOTICES_NOT_SENT: Alert = ("SwitchboardNoticesNotSent", "")
BACKEND_DISABLED: Alert = ("SwitchboardBackendDisabled", "")
ALERTS: frozenset[Alert] = frozenset(
    {
        RECORDS_NOT_WRITTEN,
        NOTICES_NOT_SENT,
        BACKEND_DISABLED,
        ("SwitchboardDeadLettersRising", "premium"),
        ("SwitchboardProvidersFailing", "openai"),
        ("SwitchboardQueueWithoutWorkers", "free"),
        ("SwitchboardNobodyIsAnswered", "free"),
        ("SwitchboardWaitOverPromise", "free"),
    }
)

DONE: Mapping[str, float] = {
    "records_unwritten_seconds{}": 0,
    "notice_events{}": 0,
    # The one call of acme has started, was recovered and has ended.
    'notice_tries_total{result="delivered"}': 3,
    'notices_total{outcome="delivered"}': 3,
}
"""Series of `switchboard_…`, and their values when the writer and the background worker have done what has waited."""

COUNTS: Mapping[str, float] = {
    'calls_started_total{tier="premium"}': 9,
    'calls_started_total{tier="standard"}': 6,
    'calls_started_total{tier="free"}': 5,
    'calls_ended_total{outcome="answered",tier="premium"}': 6,
    'calls_ended_total{outcome="answered",tier="standard"}': 5,
    'calls_ended_total{outcome="answered",tier="free"}': 5,
    'calls_ended_total{outcome="dead",tier="premium"}': 3,
    'calls_ended_total{outcome="abandoned",tier="standard"}': 1,
    'calls_ended_total{outcome="refused",tier="premium"}': 0,
    'attempts_ended_total{ending="ended",tier="premium"}': 6,
    'attempts_ended_total{ending="ended",tier="standard"}': 5,
    'attempts_ended_total{ending="ended",tier="free"}': 5,
    'attempts_ended_total{ending="lost",tier="premium"}': 1,
    'attempts_ended_total{ending="lost",tier="free"}': 1,
    'attempts_ended_total{ending="dead",tier="premium"}': 3,
    'attempts_ended_total{ending="handed_over",tier="standard"}': 1,
    'calls_recovered_total{tier="premium"}': 1,
    'calls_recovered_total{tier="standard"}': 0,
    'calls_recovered_total{tier="free"}': 1,
    'dead_letters_total{kind="unanswerable",tier="premium"}': 3,
    'dead_letters_total{kind="attempts",tier="free"}': 0,
    'provider_errors_total{error="401",kind="llm",provider="openai"}': 3,
    'provider_fallbacks_total{kind="llm",provider="openai"}': 1,
    # Each attempt: one more than calls that were claimed for each of the losses and the hand-over.
    'call_claim_seconds_count{tier="premium"}': 10,
    'call_claim_seconds_count{tier="standard"}': 6,
    'call_claim_seconds_count{tier="free"}': 6,
    'call_first_audio_seconds_count{tier="premium"}': 9,
    'call_first_audio_seconds_count{tier="standard"}': 5,
    'call_first_audio_seconds_count{tier="free"}': 5,
    'call_gap_seconds_count{tier="premium"}': 1,
    'call_gap_seconds_count{tier="standard"}': 0,
    'call_gap_seconds_count{tier="free"}': 1,
    'rooms{state="running",tier="premium"}': 0,
    'rooms{state="waiting",tier="standard"}': 0,
    'rooms{state="queued",tier="free"}': 0,
    'oldest_wait_seconds{tier="free"}': 0,
    'tier_promise_seconds{tier="premium"}': 10,
    'tier_promise_seconds{tier="free"}': 5,
    'queue_messages{queue="free"}': 0,
    'queue_workers{queue="premium"}': 1,
    'queue_workers{queue="standard"}': 1,
    'queue_workers{queue="free"}': 1,
    "redis_up{}": 1,
    "reconciler_up{}": 1,
    "reconciler_is_leader{}": 1,
    "livekit_up{}": 1,
    'reconciler_repairs_total{sweep="lost calls"}': 1,
    'reconciler_repairs_total{sweep="missing rooms"}': 0,
    # A record of each call and of each attempt.
    "records_in_stream{}": 20 + 22,
    "records_lost_total{}": 0,
    "records_rejected_total{}": 0,
    **DONE,
    "notice_oldest_event_seconds{}": 0,
    "notice_backends_disabled{}": 1,
    'notices_total{outcome="given_up"}': 0,
    'notices_total{outcome="dropped"}': 0,
    # The second attempt of acme's call; the first was killed.
    "erasures_waiting{}": 0,
    'uploads_total{kind="recordings",outcome="taken"}': 1,
    'uploads_total{kind="recordings",outcome="refused"}': 0,
    'uploads_total{kind="recordings",outcome="failed"}': 0,
}
"""Series of `switchboard_…`, and their values."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page: a series, or the sum of several, its value, and what it must be."""

    series: str
    value: float | None
    wanted: str
    right: bool


def rows(values: Mapping[str, float], questions: int) -> list[Row]:
    """Return the rows. `values`: by series. Raises nothing: a series that is missing is a row that is wrong."""
    found = [
        Row(series, value, f"{wanted:g}", value == wanted)
        for series, wanted in COUNTS.items()
        for value in (values.get(f"switchboard_{series}"),)
    ]

    def total(pattern: str, wanted: str, holds: Callable[[float], bool]) -> None:
        matching = [value for series, value in values.items() if re.fullmatch(f"switchboard_{pattern}", series)]
        value = sum(matching) if matching else None
        found.append(Row(pattern.replace("\\", ""), value, wanted, value is not None and holds(value)))

    total(r"build_info\{.*\}", "1", lambda value: value == 1)
    total(r"worker_busy_slots\{.*\}", "0", lambda value: value == 0)
    total(r"worker_idle_slots\{.*\}", "more than 0", lambda value: value > 0)
    total(r"worker_slot_limit\{.*\}", "7, of three workers", lambda value: value == 3 + 2 + 2)
    total(r"worker_load_ratio\{.*\}", "between 0 and 1 for each", lambda value: 0 < value <= 3)
    total(r"worker_reserved_ratio\{.*\}", "0", lambda value: value == 0)
    total(r"worker_intake\{.*\}", "3: each in one state", lambda value: value == 3)
    total(r"worker_queue\{.*\}", "3", lambda value: value == 3)
    total(r"worker_late_renewals_total\{.*\}", "0", lambda value: value == 0)
    total(r"queue_idle_slots\{.*\}", "more than 0", lambda value: value > 0)
    total(r"call_seconds_count\{.*\}", "19, all but the one that gave up", lambda value: value == 19)
    total(r"call_reply_seconds_count\{.*\}", f"{questions}, one for each answer", lambda value: value == questions)
    total(r"call_interruptions_count\{.*\}", "the attempts", lambda value: value > 0)
    total(r"reconciler_last_tick_timestamp_seconds\{.*\}", "a time", lambda value: value > 1e9)
    total(r"records_kept_seconds\{\}", "more than 0", lambda value: value > 0)
    total(r'notice_tries_total\{result="failed"\}', "1 and more: bolt's backend is gone", lambda value: value >= 1)
    total(r"usage_call_seconds_total\{.*\}", "more than 0", lambda value: value > 0)
    total(r"usage_tokens_total\{.*\}", "more than 0", lambda value: value > 0)
    total(r"usage_characters_total\{.*\}", "more than 0", lambda value: value > 0)
    total(r"usage_audio_seconds_total\{.*\}", "more than 0", lambda value: value > 0)
    total(r'webhook_events_total\{event="room_started",.*\}', "20", lambda value: value == 20)
    total(r"webhook_rejections_total\{.*\}", "1", lambda value: value == 1)
    total(r"call_requests_total\{.*\}", "1", lambda value: value == 1)
    total(r"twilio_requests_total\{.*\}", "1", lambda value: value == 1)
    total(r"webhook_seconds_count\{.*\}", "20 and more", lambda value: value >= 20)
    total(r"webhook_redis_seconds_count\{.*\}", "20 and more", lambda value: value >= 20)
    total(r"webhook_event_age_seconds_count\{.*\}", "20 and more", lambda value: value >= 20)
    return found


def silent() -> list[str]:
    """Return the alerts that must not fire."""
    return sorted(alerts().keys() - {name for name, _ in ALERTS})
