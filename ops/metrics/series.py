"""The values of metrics by their labels, and the same for prometheus_client."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from ops.metrics.catalogue import INFINITY, Kind, Metric

Labels = tuple[str, ...]


@dataclass(slots=True)
class Distribution:
    """Observations of a histogram. `counts`: for each bucket, then for those above all; not cumulative."""

    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, metric: Metric) -> Distribution:
        """Return an empty one."""
        return cls([0] * (len(metric.buckets) + 1))

    def observe(self, metric: Metric, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(metric.buckets, value)] += 1
        self.total += value


Value = float | Distribution


class Series:
    """The series of some metrics. Counters and histograms only grow."""

    def __init__(self) -> None:
        self._values: dict[Metric, dict[Labels, Value]] = {}

    def set(self, metric: Metric, *labels: str, value: Value) -> None:
        """Set the value of one series."""
        self._values.setdefault(metric, {})[labels] = value

    def get(self, metric: Metric, *labels: str) -> Value | None:
        """Return the value of one series, or None."""
        return self._values.get(metric, {}).get(labels)

    def add(self, metric: Metric, *labels: str, value: float = 1) -> None:
        """Add to a counter."""
        series = self._values.setdefault(metric, {})
        before = series.get(labels, 0.0)
        if not isinstance(before, Distribution):
            series[labels] = before + value

    def observe(self, metric: Metric, *labels: str, value: float) -> None:
        """Count one observation of a histogram."""
        distribution = self._values.setdefault(metric, {}).setdefault(labels, Distribution.of(metric))
        if isinstance(distribution, Distribution):
            distribution.observe(metric, value)

    def items(self) -> Iterator[tuple[Metric, Labels, Value]]:
        """Yield all series."""
        for metric, series in self._values.items():
            for labels, value in series.items():
                yield metric, labels, value

    def of(self, metric: Metric) -> dict[Labels, Value]:
        """Return the series of one metric."""
        return self._values.get(metric, {})

    def families(self, metrics: Iterable[Metric]) -> Iterator[Family]:
        """Yield these metrics for prometheus_client, without those that have no series."""
        for metric in metrics:
            if series := self._values.get(metric):
                yield _family(metric, series)


def _family(metric: Metric, series: dict[Labels, Value]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        bounds = [*metric.bounds, INFINITY]
        for labels, value in series.items():
            if isinstance(value, Distribution):
                buckets = list(zip(bounds, accumulate(value.counts), strict=True))
                histogram.add_metric(labels, buckets=buckets, sum_value=value.total)
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in series.items():
        if not isinstance(value, Distribution):
            family.add_metric(labels, value)
    return family
