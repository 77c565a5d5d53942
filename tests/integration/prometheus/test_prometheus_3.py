"""What Prometheus 3 does in another way than Debian's 2.42, which the other tests run: none of it is relied on.

By its migration guide: the bounds of histograms are written as floats, a scrape without a known Content-Type fails, and
a range leaves out its left end.
"""

from __future__ import annotations

import re

import pytest
from prometheus_client.exposition import choose_encoder

from ops.metrics.catalogue import METRICS
from tests.integration.prometheus.dashboards import queries
from tests.integration.prometheus.promtool import rules
from webhooks.metrics import Metrics

ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""The header of its scrapes."""
KNOWN = re.compile(r"(text/plain; version=(0\.0\.4|1\.0\.0)|application/openmetrics-text; version=(0\.0\.1|1\.0\.0))")
FLOAT = re.compile(r"\d+\.\d+(e[+-]?\d+)?|\+Inf")
SCRAPE_SECONDS = 15
UNITS = {"s": 1, "m": 60, "h": 3600}
EXPRESSIONS = [rule["expr"] for rule in rules()] + [query.expression for query in queries(rate_interval="1m")]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_query_names_the_bound_of_a_bucket(expression: str) -> None:
    assert not re.search(r"\b(le|quantile)\s*(=|!=|=~|!~)", expression)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_query_needs_the_sample_at_the_left_end_of_its_range(expression: str) -> None:
    for number, unit in re.findall(r"\[(\d+)([smh])", expression):
        # One scrape may fail, and increase() needs two samples.
        assert int(number) * UNITS[unit] >= 4 * SCRAPE_SECONDS


def test_the_bounds_of_histograms_are_written_as_it_writes_them() -> None:
    of_exporter = [bound for metric in METRICS for bound in metric.bounds]
    of_receivers = re.findall(r'le="([^"]+)"', Metrics().render().decode())
    assert of_exporter
    assert of_receivers
    assert not [bound for bound in [*of_exporter, *of_receivers] if not FLOAT.fullmatch(bound)]


def test_what_is_scraped_has_a_content_type_that_it_knows() -> None:
    assert KNOWN.match(choose_encoder(ACCEPT)[1])
