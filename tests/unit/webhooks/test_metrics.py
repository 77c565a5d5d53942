from __future__ import annotations

import time
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from webhooks.errors import Rejection
from webhooks.metrics import Metrics


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    }


def test_events_are_counted_by_name_and_outcome() -> None:
    metrics = Metrics()

    metrics.count_event("room_started", "queued")
    metrics.count_event("room_started", "queued")
    metrics.count_event("room_started", "known")

    assert samples(metrics, "switchboard_webhook_events_total") == {
        ("room_started", "queued"): 2,
        ("room_started", "known"): 1,
    }


def test_names_that_livekit_does_not_have_share_one_label() -> None:
    metrics = Metrics()

    for number in range(100):
        metrics.count_event(f"made_up_{number}", "ignored")

    assert samples(metrics, "switchboard_webhook_events_total") == {("other", "ignored"): 100}


def test_two_apps_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()

    one.count_rejection("token_missing")

    # Each reason has a series from the beginning, so that the first rejection is an increase.
    before = {(kind.reason,): 0 for kind in Rejection.__subclasses__()}
    assert samples(one, "switchboard_webhook_rejections_total") == before | {("token_missing",): 1}
    assert samples(other, "switchboard_webhook_rejections_total") == before


def test_the_age_of_an_event_is_never_negative_and_one_without_a_time_is_not_counted() -> None:
    metrics = Metrics()
    now_ms = time.time_ns() // 1_000_000

    metrics.observe_event(now_ms - 3000)
    metrics.observe_event(now_ms + 3000)
    metrics.observe_event(None)

    (seconds,) = samples(metrics, "switchboard_webhook_event_age_seconds_sum").values()
    assert 3 <= seconds < 4
    assert samples(metrics, "switchboard_webhook_event_age_seconds_count") == {(): 2}


@dataclass
class Reconciling:
    is_leader: bool
    livekit_is_up: bool = True


def test_only_the_leader_says_whether_the_livekit_server_is_up() -> None:
    for reconciler, leads, up in (
        (Reconciling(is_leader=True), 1, {(): 1}),
        (Reconciling(is_leader=True, livekit_is_up=False), 1, {(): 0}),
        (Reconciling(is_leader=False), 0, {}),
    ):
        metrics = Metrics()
        metrics.watch(reconciler)
        assert samples(metrics, "switchboard_reconciler_is_leader") == {(): leads}
        assert samples(metrics, "switchboard_livekit_up") == up
