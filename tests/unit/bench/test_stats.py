"""Statistics of samples."""

from __future__ import annotations

import pytest

from tests.bench.stats import percentile, percentiles, present, share_within


@pytest.mark.parametrize(("percent", "expected"), [(1, 10.0), (50, 20.0), (90, 40.0), (99, 40.0), (100, 40.0)])
def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed(percent: float, expected: float) -> None:
    assert percentile([40.0, 10.0, 30.0, 20.0], percent) == expected


def test_one_sample_is_every_percentile() -> None:
    assert {percentile([7.0], percent) for percent in (1, 50, 99, 100)} == {7.0}


def test_an_event_that_never_came_is_no_number() -> None:
    assert present([1.0, None, 2.0]) == [1.0, 2.0]
    assert percentile([None, 5.0, None], 50) == 5.0
    assert percentile([None, None], 50) is None
    assert percentile([], 99) is None


def test_an_event_that_never_came_is_not_within_the_limit() -> None:
    assert share_within([100.0, None, 300.0, 2000.0], 300) == 50
    assert share_within([None], 300) == 0
    assert share_within([], 300) is None


def test_each_side_has_its_own_percentile() -> None:
    assert percentiles({"ours": [1.0, 3.0], "builtin": []}, 100) == {"ours": 3.0, "builtin": None}
