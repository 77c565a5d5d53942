from __future__ import annotations

import pytest

from webhooks.call_rates import MOST_BUCKETS, CallRates
from webhooks.problems import RateExceeded, problem_response


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> CallRates:
    return CallRates(per_second=2, burst=5, clock=clock)


def taken(rates: CallRates, name: str = "acme") -> int:
    """How many calls the bucket of this name allows now."""
    count = 0
    while True:
        try:
            rates.take("this tenant", name)
        except RateExceeded:
            return count
        count += 1


def test_a_burst_and_then_as_many_as_the_rate_allows(rates: CallRates, clock: Clock) -> None:
    assert taken(rates) == 5
    for seconds, calls in ((0.4, 0), (0.1, 1), (1.0, 2), (60.0, 5)):
        clock.now += seconds
        assert taken(rates) == calls


def test_one_tenant_does_not_use_up_anothers(rates: CallRates) -> None:
    assert taken(rates, "acme") == 5
    assert taken(rates, "bolt") == 5
    rates.take("this API key", "acme")


def test_a_refusal_says_when_to_try_again_and_takes_nothing(rates: CallRates, clock: Clock) -> None:
    taken(rates)
    refusals: list[RateExceeded] = []
    while len(refusals) < 10:
        with pytest.raises(RateExceeded, match=r"this tenant allows\. Try again in 1 s") as refused:
            rates.take("this tenant", "acme")
        refusals.append(refused.value)
    response = problem_response(refusals[-1])
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    clock.now += 1
    rates.take("this tenant", "acme")


def test_buckets_that_are_full_again_are_forgotten(rates: CallRates, clock: Clock) -> None:
    for number in range(MOST_BUCKETS):
        rates.take("this tenant", str(number))
    clock.now += 60
    rates.take("this tenant", "one more")
    assert len(rates._full_at) == 1


def test_a_slow_rate_says_a_long_pause(clock: Clock) -> None:
    rates = CallRates(per_second=0.01, burst=1, clock=clock)
    rates.take("this tenant", "acme")
    with pytest.raises(RateExceeded, match="in 100 s"):
        rates.take("this tenant", "acme")
