"""What counts as a step of Redis' clock, and what does not."""

from __future__ import annotations

import pytest

from tasks.reconcile.redis_clock import TOLERANCE_MS, RedisClock

START_MS = 1_700_000_000_000


class Monotonic:
    """The process's own clock, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own() -> Monotonic:
    return Monotonic()


@pytest.fixture
def clock(own: Monotonic) -> RedisClock:
    clock = RedisClock(own)
    assert clock.latest_ms is None
    assert clock.read(START_MS, own()) == 0
    return clock


@pytest.mark.parametrize("step_ms", [0, TOLERANCE_MS, -TOLERANCE_MS, TOLERANCE_MS + 1, -TOLERANCE_MS - 1, -3_600_000])
def test_a_deviation_over_the_tolerance_is_a_step(own: Monotonic, clock: RedisClock, step_ms: int) -> None:
    own.now += 10
    expected = step_ms if abs(step_ms) > TOLERANCE_MS else 0
    assert clock.read(START_MS + 10_000 + step_ms, own()) == expected
    # It is reported once.
    own.now += 1
    assert clock.read(START_MS + 11_000 + step_ms, own()) == 0


def test_an_answer_that_comes_late_is_no_step(own: Monotonic, clock: RedisClock) -> None:
    own.now += 1
    asked = own()
    own.now += 30
    # Redis may have read its clock at any time between.
    assert clock.read(START_MS + 1000, asked) == 0
    own.now += 1
    assert clock.read(START_MS + 32_000, own()) == 0


def test_an_outage_is_no_step(own: Monotonic, clock: RedisClock) -> None:
    own.now += 600
    assert clock.read(START_MS + 600_000, own()) == 0


def test_it_can_show_no_more_than_has_passed(own: Monotonic, clock: RedisClock) -> None:
    own.now += 2
    assert clock.latest_ms == START_MS + 2000 + TOLERANCE_MS


def test_steps_forward_are_added_up_as_long_as_they_matter(own: Monotonic, clock: RedisClock) -> None:
    now_ms = START_MS
    for step_ms in (60_000, -5_000, 30_000):
        own.now += 1
        now_ms += 1000 + step_ms
        assert clock.read(now_ms, own()) == step_ms
    assert clock.stepped_forward_ms(10) == 90_000
    own.now += 9
    assert clock.stepped_forward_ms(10) == 30_000
    own.now += 2
    assert clock.stepped_forward_ms(10) == 0
