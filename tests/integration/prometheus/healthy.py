"""The series of a healthy installation: two tiers, each with a worker and calls, a leading reconciler, a probe."""

from __future__ import annotations

from tests.integration.prometheus.scenario import SCRAPES, Series, series, steady

ENDINGS = ("ended", "lost", "handed_over", "dead")
OUTCOMES = ("answered", "abandoned", "dead", "refused")
STATES = ("waiting", "queued", "running")
TIERS = ("premium", "standard")


def of_exporter(metric: str, **labels: str) -> str:
    return series(metric, labels | {"job": "switchboard", "instance": "exporter:9808"})


def of_receiver(metric: str, number: int = 1, **labels: str) -> str:
    return series(metric, labels | {"job": "receivers", "instance": f"receiver-{number}:8000"})


def of_probe(metric: str, tenant: str = "acme", **labels: str) -> str:
    return series(metric, labels | {"tenant": tenant, "job": "probe", "instance": "probe:9809"})


def rooms(tier: str, state: str) -> str:
    return of_exporter("switchboard_rooms", tier=tier, state=state)


def wait(tier: str) -> str:
    return of_exporter("switchboard_oldest_wait_seconds", tier=tier)


def ended(tier: str, outcome: str) -> str:
    return of_exporter("switchboard_calls_ended_total", tier=tier, outcome=outcome)


def attempts(tier: str, ending: str) -> str:
    return of_exporter("switchboard_attempts_ended_total", tier=tier, ending=ending)


def messages(queue: str) -> str:
    return of_exporter("switchboard_queue_messages", queue=queue)


def workers(queue: str) -> str:
    return of_exporter("switchboard_queue_workers", queue=queue)


def intake(worker: str, state: str) -> str:
    return of_exporter("switchboard_worker_intake", worker=worker, state=state)


def dead_letters(tier: str, kind: str) -> str:
    return of_exporter("switchboard_dead_letters_total", tier=tier, kind=kind)


def provider_errors(kind: str, provider: str, error: str = "timeout") -> str:
    return of_exporter("switchboard_provider_errors_total", kind=kind, provider=provider, error=error)


def late_renewals(worker: str) -> str:
    return of_exporter("switchboard_worker_late_renewals_total", worker=worker)


REDIS_UP = of_exporter("switchboard_redis_up")
RECONCILER_UP = of_exporter("switchboard_reconciler_up")
OLDEST_EVENT = of_exporter("switchboard_notice_oldest_event_seconds")
BACKENDS_DISABLED = of_exporter("switchboard_notice_backends_disabled")
ERASURES_WAITING = of_exporter("switchboard_erasures_waiting")
LAST_TICK = of_exporter("switchboard_reconciler_last_tick_timestamp_seconds")
UNWRITTEN = of_exporter("switchboard_records_unwritten_seconds")
KEPT = of_exporter("switchboard_records_kept_seconds")
IN_STREAM = of_exporter("switchboard_records_in_stream")
LOST_RECORDS = of_exporter("switchboard_records_lost_total")
REJECTED_RECORDS = of_exporter("switchboard_records_rejected_total")
FAILED_UPLOADS = of_exporter("switchboard_uploads_total", kind="recordings", outcome="failed")
UNWANTED_UPLOADS = of_exporter("switchboard_uploads_total", kind="recordings", outcome="unwanted")
TICKING = f"0+15x{SCRAPES}"


def healthy() -> Series:
    found = {
        REDIS_UP: steady(1),
        RECONCILER_UP: steady(1),
        LAST_TICK: TICKING,
        UNWRITTEN: steady(0),
        KEPT: steady(7200),
        IN_STREAM: steady(30_000),
        LOST_RECORDS: steady(0),
        REJECTED_RECORDS: steady(2),
        FAILED_UPLOADS: steady(2),
        UNWANTED_UPLOADS: steady(0),
        OLDEST_EVENT: steady(0.5),
        BACKENDS_DISABLED: steady(0),
        ERASURES_WAITING: steady(0),
        # Of the receiver that leads, as no other one asks the LiveKit server.
        of_receiver("switchboard_livekit_up"): steady(1),
        of_probe("switchboard_probe_success"): steady(1),
        of_probe("switchboard_probe_last_run_timestamp_seconds"): TICKING,
    }
    for tier in TIERS:
        worker = f"celery@{tier}"
        found |= {rooms(tier, state): steady(3 if state == "running" else 0) for state in STATES}
        found |= {ended(tier, outcome): steady(0) for outcome in OUTCOMES}
        found |= {attempts(tier, ending): steady(0) for ending in ENDINGS}
        # A call a minute ends well.
        found |= {ended(tier, "answered"): f"7+0.25x{SCRAPES}", attempts(tier, "ended"): f"7+0.25x{SCRAPES}"}
        found |= {
            wait(tier): steady(0),
            of_exporter("switchboard_tier_promise_seconds", tier=tier): steady(10),
            messages(tier): steady(0),
            workers(tier): steady(1),
            intake(worker, "open"): steady(1),
            intake(worker, "calls fail"): steady(0),
            late_renewals(worker): steady(0),
        }
    return found


def without(*beginnings: str) -> dict[str, str]:
    """Remove the series whose names begin with one of these."""
    return {name: "" for name in healthy() if name.startswith(beginnings)}
