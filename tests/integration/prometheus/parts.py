"""Scenarios of parts: Redis, LiveKit, the reconciler, workers, the exporter, the probe; and fresh installations."""

from __future__ import annotations

from tests.integration.prometheus.healthy import (
    BACKENDS_DISABLED,
    ERASURES_WAITING,
    FAILED_UPLOADS,
    IN_STREAM,
    KEPT,
    LAST_TICK,
    LOST_RECORDS,
    OLDEST_EVENT,
    RECONCILER_UP,
    REDIS_UP,
    REJECTED_RECORDS,
    TICKING,
    UNWANTED_UPLOADS,
    UNWRITTEN,
    dead_letters,
    healthy,
    intake,
    late_renewals,
    of_probe,
    of_receiver,
    without,
)
from tests.integration.prometheus.scenario import SCRAPES, Scenario, steady, steps

LIVEKIT_UP = of_receiver("switchboard_livekit_up")
FAILING = intake("celery@premium", "calls fail")
PROBE_SUCCESS = of_probe("switchboard_probe_success")
PROBE_RUN = of_probe("switchboard_probe_last_run_timestamp_seconds")
CALLS_FAIL = "SwitchboardWorkerCallsFail worker=celery@premium"
LATE = "SwitchboardRenewalsLate worker=celery@premium"
PROBE_FAILS = "SwitchboardProbeFails tenant=acme"
BOTH_OF_RECORDS = ("SwitchboardRecordsEndangered", "SwitchboardRecordsNotWritten")
PROBE_DOWN = "SwitchboardProbeDown tenant=acme"


def missing(values: str, scrape: int = 20) -> str:
    """The same values without those of one scrape, which failed."""
    start, step = map(float, values.partition("x")[0].split("+"))
    return f"{start}+{step}x{scrape - 1} _ {start + step * (scrape + 1)}+{step}x{SCRAPES}"


def missing_before(values: str, scrape: int) -> str:
    """The same values from a scrape on."""
    start, step = map(float, values.partition("x")[0].split("+"))
    return f"_x{scrape} {start + step * scrape}+{step}x{SCRAPES}"


def vanishing(values: str, scrapes: int = 4) -> str:
    """The same values for some scrapes, and then what Prometheus writes when a series is no longer exposed."""
    return f"{values.partition('x')[0]}x{scrapes} stale"


def of_second(name: str) -> str:
    """The series of another exporter."""
    return name.replace("exporter:9808", "exporter-2:9808")


LATER = "_x10 500+0x200"
MOVED = {name: vanishing(values, 8) for name, values in healthy().items() if "exporter" in name} | {
    of_second(name): missing_before(values, 10) for name, values in healthy().items() if "exporter" in name
}
PARTS = [
    Scenario(
        "Redis is away, and the exporter leaves out what it does not know",
        {name: vanishing(values) for name, values in healthy().items() if "exporter" in name and "_total" not in name}
        | {REDIS_UP: "1+0x4 0+0x100"},
        {"1m15s": (), "2m": ("SwitchboardRedisUnreachable",), "10m": ("SwitchboardRedisUnreachable",)},
    ),
    Scenario(
        "Redis fails over within seconds",
        {REDIS_UP: steps(1, 0, 1)},
        {"15s": (), "45s": (), "2m": ()},
        near="SwitchboardRedisUnreachable",
    ),
    Scenario(
        "the leading receiver does not reach the LiveKit server",
        {LIVEKIT_UP: steps(1, 0)},
        {"1m": (), "1m30s": ("SwitchboardLiveKitUnreachable",)},
    ),
    Scenario(
        "another receiver leads, which has not asked the LiveKit server yet",
        {LIVEKIT_UP: "1+0x4 stale", of_receiver("switchboard_livekit_up", 2): "_x5 0 1+0x100"},
        {"1m30s": (), "3m": (), "10m": ()},
        near="SwitchboardLiveKitUnreachable",
    ),
    Scenario(
        "nobody leads the reconcilers",
        {RECONCILER_UP: steps(1, 0)},
        {"30s": (), "1m": ("SwitchboardReconcilerWithoutLeader",)},
    ),
    Scenario(
        "the leader of the reconcilers does not tick",
        {LAST_TICK: f"0+15x8 120+0x{SCRAPES}"},
        {"2m30s": (), "3m30s": ("SwitchboardReconcilerWithoutLeader",)},
    ),
    Scenario(
        "the lead of the reconcilers moves",
        {RECONCILER_UP: steps(1, 0, 1)},
        {"15s": (), "45s": ()},
        near="SwitchboardReconcilerWithoutLeader",
    ),
    Scenario(
        "calls fail on a worker, with trial calls in between",
        {FAILING: f"0+0x4 {'1 1 0 1 ' * 20} 0+0x100"},
        {"2m": (), "3m30s": (CALLS_FAIL,), "20m": (CALLS_FAIL,), "23m": ()},
    ),
    Scenario(
        "calls fail on a worker for a moment",
        {FAILING: steps(0, 1, 0)},
        {"1m": (), "2m": (), "3m": ()},
        near="SwitchboardWorkerCallsFail",
    ),
    Scenario(
        "a worker renews one lease after another late",
        {late_renewals("celery@premium"): f"0+0x20 0+0.5x{SCRAPES}"},
        {"5m": (), "10m": (LATE,)},
    ),
    Scenario(
        "a worker renews two leases late",
        {late_renewals("celery@premium"): steps(0, 2)},
        {"5m": (), "10m": ()},
        near="SwitchboardRenewalsLate",
    ),
    Scenario(
        "a worker that renewed leases late is replaced",
        {late_renewals("celery@premium"): "50+0x20 _ _ 0+0x100"},
        {"6m": (), "10m": ()},
        near="SwitchboardRenewalsLate",
    ),
    Scenario(
        "records are not written, and after an hour the stream would trim them",
        {UNWRITTEN: f"0+15x{SCRAPES}"},
        {
            "5m": (),
            "8m": ("SwitchboardRecordsNotWritten",),
            "59m": ("SwitchboardRecordsNotWritten",),
        },
    ),
    Scenario(
        "no writer has ever begun, and a receiver that names a database begins to lead",
        {UNWRITTEN: f"_x8 4000+15x{SCRAPES}", KEPT: f"_x8 4000+15x{SCRAPES}", IN_STREAM: f"_x8 400+0x{SCRAPES}"},
        {"2m": (), "3m30s": (), "4m30s": ("SwitchboardRecordsNotWritten",), "20m": ("SwitchboardRecordsNotWritten",)},
    ),
    Scenario(
        "records have not been written for more than half of the time that the stream keeps them",
        {UNWRITTEN: steady(3700)},
        {"15s": (), "1m30s": ("SwitchboardRecordsEndangered",), "10m": BOTH_OF_RECORDS},
    ),
    Scenario(
        "records have not been written for as long in a stream that is not full",
        {UNWRITTEN: steps(0, *[3700] * 6, 0), IN_STREAM: steady(400)},
        {"1m30s": (), "10m": ()},
        near="SwitchboardRecordsEndangered",
    ),
    Scenario(
        "the database is away for four minutes",
        {UNWRITTEN: f"{' '.join(str(15 * scrape) for scrape in range(17))} 0+0x{SCRAPES}"},
        {"3m": (), "4m15s": (), "10m": ()},
        near="SwitchboardRecordsNotWritten",
    ),
    Scenario(
        "records were trimmed before they were written",
        {LOST_RECORDS: steps(0, 3)},
        {"1m": ("SwitchboardRecordsLost",), "20m": ()},
    ),
    Scenario(
        "an entry is no record",
        {REJECTED_RECORDS: steps(2, 3)},
        {"1m": ("SwitchboardRecordsLost",)},
    ),
    Scenario(
        "an exporter restarts, and shows the records that were lost before",
        {LOST_RECORDS: "5+0x8 _ _ 5+0x100"},
        {"3m": (), "10m": ()},
        near="SwitchboardRecordsLost",
    ),
    Scenario(
        "the exporter is gone, and with it all its series",
        {name: vanishing(values) for name, values in healthy().items() if "exporter" in name},
        {"2m": (), "10m": ("SwitchboardExporterDown",)},
    ),
    Scenario(
        "the exporter moves to another host, and goes on with the counters that it had",
        MOVED | {dead_letters("premium", "wait"): "500+0x8 stale", of_second(dead_letters("premium", "wait")): LATER},
        {"3m": (), "5m": (), "15m": ()},
        near="SwitchboardExporterDown",
    ),
    Scenario(
        "two exporters show the same counters",
        {**healthy(), **{of_second(name): values for name, values in healthy().items() if "exporter" in name}}
        | dict.fromkeys((dead_letters("premium", "wait"), of_second(dead_letters("premium", "wait"))), "_x8 2+0x200"),
        {"3m": (), "15m": ()},
        near="SwitchboardDeadLettersRising",
    ),
    Scenario(
        "one scrape of everything fails",
        {name: missing(values) for name, values in healthy().items()},
        {"5m": (), "5m30s": (), "10m": ()},
        near="SwitchboardExporterDown",
    ),
    Scenario(
        "there is no background worker, and events of calls wait",
        {OLDEST_EVENT: f"0+15x{SCRAPES}"},
        {"3m": (), "8m": ("SwitchboardNoticesNotSent",)},
    ),
    Scenario(
        "a background worker is restarted",
        {OLDEST_EVENT: f"0+15x10 0+0x{SCRAPES}"},
        {"3m": (), "8m": ()},
        near="SwitchboardNoticesNotSent",
    ),
    Scenario(
        "the backend of a tenant is disabled",
        {BACKENDS_DISABLED: steps(0, 1, every=8)},
        {"2m": (), "6m": ("SwitchboardBackendDisabled",)},
    ),
    Scenario(
        "a backend is disabled, and enabled by a test at once",
        {BACKENDS_DISABLED: steps(0, 0, 1, 0, every=2)},
        {"1m": (), "3m": ()},
        near="SwitchboardBackendDisabled",
    ),
    Scenario(
        "no console runs that erases calls",
        {ERASURES_WAITING: steady(2)},
        {"25m": (), "40m": ("SwitchboardErasuresWait",)},
    ),
    Scenario(
        "a console was away, and erases what has waited",
        {ERASURES_WAITING: f"2+0x80 0+0x{SCRAPES}"},
        {"25m": (), "40m": ()},
        near="SwitchboardErasuresWait",
    ),
    Scenario(
        "the object store of the recordings is away for some calls",
        {FAILED_UPLOADS: steps(2, 3, 4, 5)},
        {"1m30s": ("SwitchboardUploadsFail",), "20m": ()},
    ),
    Scenario(
        "one upload breaks off, and many are of a tenant that does not record",
        {FAILED_UPLOADS: steps(2, 3), UNWANTED_UPLOADS: steps(0, 5, 10, 15)},
        {"1m30s": (), "10m": ()},
        near="SwitchboardUploadsFail",
    ),
    Scenario(
        "the probe hears nothing",
        {PROBE_SUCCESS: steps(1, 0)},
        {"3m": (), "5m": (PROBE_FAILS,)},
    ),
    Scenario(
        "one run of the probe fails, a minute before the next",
        {PROBE_SUCCESS: steps(1, 0, 0, 0, 0, 1)},
        {"1m": (), "2m": (), "5m": ()},
        near="SwitchboardProbeFails",
    ),
    Scenario(
        "the probe is gone",
        {PROBE_SUCCESS: "1+0x20", PROBE_RUN: "0+15x20"},
        {"5m": (), "13m": (PROBE_DOWN,)},
    ),
    Scenario(
        "the probe is there, and makes no calls",
        {PROBE_RUN: f"0+15x20 300+0x{SCRAPES}"},
        {"15m": (), "23m": (PROBE_DOWN,)},
    ),
    Scenario(
        "there is no probe",
        without("switchboard_probe"),
        {"5m": (), "40m": ()},
        near="SwitchboardProbeDown",
    ),
    Scenario(
        "a fresh installation: Redis, a receiver that leads, no worker, no probe, and no call yet",
        {REDIS_UP: steady(1), RECONCILER_UP: steady(1), LAST_TICK: TICKING},
        {"0m": (), "1m": (), "5m": (), "40m": ()},
        fresh=True,
    ),
    Scenario(
        "nothing is scraped",
        {"up": steady(0)},
        {"45s": (), "5m": ("SwitchboardExporterDown",)},
        fresh=True,
    ),
]
