"""The autoscaler of the rehearsal decides as Kubernetes and KEDA do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.autoscaling.autoscaler import SYNC_SECONDS, Autoscaler
from tests.autoscaling.callers import HIGH, LOW, demand
from tests.autoscaling.rendered import Installation, Policy, Scaling

SCALING = Scaling(
    query="",
    threshold=6,
    least=2,
    most=20,
    fallback_replicas=4,
    failure_threshold=3,
    up_window=0,
    up_policies=(Policy("Pods", 4, 15), Policy("Percent", 100, 15)),
    down_window=300,
    down_policies=(Policy("Pods", 1, 60),),
)


def run(scaling: Scaling, values: Sequence[float | None], replicas: int) -> list[int]:
    """The pods after each sync, with these answers to the query."""
    autoscaler, found = Autoscaler(scaling), []
    for number, value in enumerate(values):
        replicas = autoscaler.desired(number * SYNC_SECONDS, replicas, value)
        found.append(replicas)
    return found


@pytest.mark.parametrize(
    ("value", "pods"), [(12.0, 2), (13.0, 2), (13.2, 2), (13.3, 3), (18.0, 3), (18.5, 4), (1.0, 2)]
)
def test_the_sum_is_divided_and_rounded_up_unless_it_is_within_the_tolerance(value: float, pods: int) -> None:
    assert run(SCALING, [value], 2) == [pods]


def test_pods_come_four_at_a_time_or_twice_as_many() -> None:
    assert run(SCALING, [120.0] * 3, 2) == [6, 12, 20]


def test_pods_go_one_a_minute_after_five_minutes_of_less() -> None:
    found = run(SCALING, [60.0] * 4 + [18.0] * 40, 10)
    first = found.index(9)
    # The last of the higher values was at 45 s.
    assert first * SYNC_SECONDS == 45 + 300
    assert found[first : first + 9] == [9, 9, 9, 9, 8, 8, 8, 8, 7]


def test_a_rise_in_between_keeps_the_pods() -> None:
    found = run(SCALING, [60.0] + [18.0] * 15 + [60.0] + [18.0] * 15, 10)
    assert set(found) == {10}


def test_without_an_answer_nothing_changes_until_the_fallback_and_then_no_pod_goes() -> None:
    assert run(SCALING, [60.0, *([None] * 30)], 10) == [10] * 31
    assert run(SCALING, [12.0, *([None] * 5)], 2) == [2, 2, 2, 2, 4, 4]


def test_an_answer_ends_the_fallback() -> None:
    assert run(SCALING, [None, None, None, 12.0, None, None, None, 12.0], 2) == [2] * 8


def test_there_are_never_more_or_fewer_pods_than_allowed() -> None:
    assert run(SCALING, [1000.0] * 10, 2)[-1] == 20
    assert run(SCALING, [0.0] * 200, 5)[-1] == 2


@pytest.mark.parametrize("pods", [2, 5, 10, 20, 40])
def test_a_buffer_of_a_share_makes_a_full_set_of_pods_grow_and_a_fixed_one_does_not_at_every_size(pods: int) -> None:
    scaling = replace(SCALING, most=100)
    full = pods * scaling.threshold
    assert run(scaling, [full + max(2, 0.15 * full)], pods)[0] > pods
    # Two calls are within the tolerance of ten per cent from 20 calls on.
    assert (run(scaling, [full + 2], pods)[0] > pods) == (full < 20)


def test_the_wave_goes_from_the_least_to_the_most_and_back() -> None:
    assert [demand(at, 600) for at in (0, 300, 600, 700)] == [LOW, HIGH, LOW, LOW]
    assert all(abs(demand(at + 1, 600) - demand(at, 600)) <= 1 for at in range(600))


def test_the_rehearsal_reads_its_numbers_from_the_rendered_chart() -> None:
    installation = Installation.read()
    assert installation.pod.slots == installation.scaling.threshold
    assert installation.pod.grace_seconds > float(installation.pod.env["SWITCHBOARD_DRAIN_SECONDS"])
    assert all(f'{name}="{value}"' in installation.scaling.query for name, value in installation.labels.items())
    assert [policy.value for policy in installation.scaling.down_policies] == [1]
    # The wave needs all of its pods, and fewer than there may be.
    needed = HIGH * 1.15 / installation.pod.slots
    assert installation.scaling.least < needed < installation.scaling.most
