"""Scenarios of calls: waits, workers, lost calls, dead letters, providers."""

from __future__ import annotations

from tests.integration.prometheus.healthy import (
    OUTCOMES,
    TIERS,
    attempts,
    dead_letters,
    ended,
    messages,
    provider_errors,
    rooms,
    wait,
    without,
    workers,
)
from tests.integration.prometheus.scenario import SCRAPES, Scenario, steady, steps

NOBODY = "SwitchboardNobodyIsAnswered tier=premium"
OVER_PROMISE = "SwitchboardWaitOverPromise tier=premium"
AT_LIMIT = "SwitchboardWaitAtLimit tier=premium"
NO_WORKERS = "SwitchboardQueueWithoutWorkers queue=premium"
LOST = "SwitchboardCallsLost tier=premium"
NO_TENANT = "SwitchboardDeadLettersRising tier=none, kind=tenant"
DEAD = "SwitchboardDeadLettersRising tier=premium, kind=tenant"
PROVIDER = "SwitchboardProvidersFailing kind=stt, provider=deepgram"

QUEUED = rooms("premium", "queued")
WAITING = rooms("premium", "waiting")
RUNNING = rooms("premium", "running")
QUIET = {ended("premium", "answered"): steady(7), attempts("premium", "ended"): steady(7), RUNNING: steady(0)}

CALLS = [
    Scenario("a healthy installation", {}, {"0m": (), "2m": (), "15m": ()}),
    Scenario(
        "one call waits, and no worker answers it",
        {QUEUED: steps(0, 1), RUNNING: steady(0), wait("premium"): "0 0+15x9 _x9"},
        {"1m": (), "1m30s": (NOBODY, OVER_PROMISE)},
    ),
    Scenario(
        "callers come and give up, and nobody is answered",
        QUIET | {ended("premium", "abandoned"): steps(0, 0, 0, 1, 2, 3, every=4)},
        {"4m": (), "7m": (NOBODY,), "20m": ()},
    ),
    Scenario(
        "callers of a tier give up that never had a call before, so that the exporter has no series of it",
        QUIET | {ended("premium", outcome): "" for outcome in OUTCOMES} | {ended("premium", "abandoned"): "_x8 3+0x40"},
        {"2m": (), "5m": (NOBODY,)},
    ),
    Scenario(
        "two callers give up at night, and none was to be answered",
        QUIET | {ended("premium", "abandoned"): steps(0, 1, 2, every=8)},
        {"3m": (), "8m": (), "20m": ()},
        near="SwitchboardNobodyIsAnswered",
    ),
    Scenario(
        "many callers give up, and others talk",
        {ended("premium", "abandoned"): f"0+1x{SCRAPES}"},
        {"10m": (), "15m": ()},
        near="SwitchboardNobodyIsAnswered",
    ),
    Scenario(
        "the only worker of a tier is restarted for half a minute while one call waits",
        {QUEUED: steps(0, 1, 1, 1, 0), messages("premium"): steps(0, 1, 1, 1, 0), workers("premium"): "1 _ _ _ 1+0x40"}
        | {RUNNING: steps(0, 0, 0, 0, 1), wait("premium"): steps(0, 5, 20, 35, 0)},
        {"45s": (), "1m30s": (), "3m": ()},
        near="SwitchboardNobodyIsAnswered",
    ),
    Scenario(
        "callers wait over the promise while all workers are busy",
        {QUEUED: steps(0, 5), wait("premium"): f"0 0+15x{SCRAPES}"},
        {"1m": (), "3m": (OVER_PROMISE,), "8m": (OVER_PROMISE,)},
    ),
    Scenario(
        "a burst makes callers wait over the promise for half a minute",
        {QUEUED: steps(0, 8, 8, 2, 0), wait("premium"): steps(0, 12, 27, 15, 0)},
        {"45s": (), "1m": (), "2m": ()},
        near="SwitchboardWaitOverPromise",
    ),
    Scenario(
        "callers wait, and their tier has no promise",
        without("switchboard_tier_promise_seconds") | {QUEUED: steps(0, 5), wait("premium"): f"0 0+15x{SCRAPES}"},
        {"8m": ()},
        near="SwitchboardWaitOverPromise",
    ),
    Scenario(
        "a tenant at its limit has callers that wait over the promise",
        {WAITING: steps(0, 4), wait("premium"): f"0 0+15x{SCRAPES}"},
        {"5m": (), "7m": (AT_LIMIT,), "20m": (AT_LIMIT,)},
    ),
    Scenario(
        "a tenant at its limit has callers that wait, and each only for a moment",
        {WAITING: steady(4), wait("premium"): steps(0, 3, 6, 9, 2, 7)},
        {"7m": (), "15m": ()},
        near="SwitchboardWaitAtLimit",
    ),
    Scenario(
        "a queue with calls never had a worker, so the series of its workers is absent",
        {workers("premium"): "", messages("premium"): steps(0, 2), QUEUED: steps(0, 2)},
        {"1m": (), "1m30s": (NO_WORKERS,)},
    ),
    Scenario(
        "the last worker of a queue is gone, and calls come",
        {workers("premium"): steps(1, 0), messages("premium"): steps(0, 2), QUEUED: steps(0, 2)},
        {"1m": (), "1m30s": (NO_WORKERS,)},
    ),
    Scenario(
        "a tier that nobody uses has no worker",
        {workers("premium"): steady(0)},
        {"15m": ()},
        near="SwitchboardQueueWithoutWorkers",
    ),
    Scenario(
        "one call after another loses its agent",
        {attempts("premium", "lost"): f"0+0.5x{SCRAPES}"},
        {"4m": (), "9m": (LOST,)},
    ),
    Scenario(
        "the counter of lost calls is 4 when it is scraped for the first time, and goes on",
        {attempts("premium", "lost"): f"_x4 4+1x{SCRAPES}"},
        {"5m": (), "8m": (LOST,)},
    ),
    Scenario(
        "a worker with eight calls is killed, once",
        {attempts("premium", "lost"): f"_x8 8+0x{SCRAPES}"},
        {"3m": (), "7m": (), "10m": ()},
        near="SwitchboardCallsLost",
    ),
    Scenario(
        "of very many calls some lose their agent",
        {attempts("premium", "lost"): f"0+0.5x{SCRAPES}", attempts("premium", "ended"): f"0+50x{SCRAPES}"},
        {"9m": (), "15m": ()},
        near="SwitchboardCallsLost",
    ),
    Scenario(
        "a deploy hands over all calls of a tier",
        {attempts("premium", "handed_over"): f"_x8 40+0x{SCRAPES}"},
        {"3m": (), "10m": ()},
        near="SwitchboardCallsLost",
    ),
    Scenario(
        "three dead letters of a kind that was never seen before",
        {dead_letters("premium", "tenant"): f"_x8 3+0x{SCRAPES}"},
        {"3m": (DEAD,), "10m": (DEAD,), "20m": ()},
    ),
    Scenario(
        "dead letters rise from what they were",
        {dead_letters("premium", "tenant"): "30+0x20 31+0x4 32+0x4 33+0x100"},
        {"5m": (), "9m": (DEAD,), "25m": ()},
    ),
    Scenario(
        "one dead letter of a kind that was never seen before",
        {dead_letters("premium", "tenant"): f"_x8 1+0x{SCRAPES}"},
        {"2m": (), "10m": ()},
        near="SwitchboardDeadLettersRising",
    ),
    Scenario(
        "rooms that name no tenant become dead letters, and belong to no tier",
        {dead_letters("none", "tenant"): f"_x8 5+0x{SCRAPES}", ended("none", "dead"): f"_x8 5+0x{SCRAPES}"},
        {
            "4m": ("SwitchboardDeadLettersRising tier=none, kind=tenant",),
            "10m": ("SwitchboardDeadLettersRising tier=none, kind=tenant",),
        },
    ),
    Scenario(
        "Prometheus is new, and the exporter has counted dead letters for weeks",
        {dead_letters("premium", "tenant"): steady(500), provider_errors("stt", "deepgram"): steady(900)},
        {"0m": (), "15s": (), "5m": (), "15m": ()},
        near="SwitchboardDeadLettersRising",
    ),
    Scenario(
        "the exporter is restarted, counts from zero, and misses some scrapes",
        {
            dead_letters("premium", "tenant"): "500+0x20 _ _ _ 0+0x100",
            provider_errors("stt", "deepgram"): "900+0x20 _ _ _ 0+0x100",
            ended("premium", "answered"): "7+0x20 _ _ _ 0+0.25x100",
            ended("standard", "answered"): "7+0x20 _ _ _ 0+0.25x100",
        }
        | {ended(tier, outcome): "0+0x20 _ _ _ 0+0x100" for tier in TIERS for outcome in OUTCOMES[1:]},
        {"5m": (), "6m": (), "7m": (), "20m": ()},
        near="SwitchboardDeadLettersRising",
    ),
    Scenario(
        "a provider fails in most calls",
        {provider_errors("stt", "deepgram"): f"_x4 1+1x{SCRAPES}"},
        {"1m": (), "5m": (PROVIDER,), "10m": (PROVIDER,)},
    ),
    Scenario(
        "a provider fails twice",
        {provider_errors("stt", "deepgram"): f"_x4 2+0x{SCRAPES}"},
        {"2m": (), "5m": ()},
        near="SwitchboardProvidersFailing",
    ),
    Scenario(
        "a provider fails now and then in very many calls",
        {provider_errors("stt", "deepgram"): f"0+1x{SCRAPES}", attempts("premium", "ended"): f"0+50x{SCRAPES}"},
        {"5m": (), "15m": ()},
        near="SwitchboardProvidersFailing",
    ),
]
