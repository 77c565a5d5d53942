"""PromQL that several panels need.

Gauges are joined by `max`, because during the restart of the exporter there may be two for a moment.
"""

from __future__ import annotations

RATE = "$__rate_interval"
"""Four scrapes or a point of the graph, whichever is longer. It needs the scrape interval in the data source."""


def quantiles(metric: str, by: str = "tier", where: str = 'tier=~"$tier"') -> dict[str, str]:
    """Return the median and the 95th percentile of a histogram, by a label."""
    selector = f"{metric}_bucket{{{where}}}" if where else f"{metric}_bucket"
    grouping = f"le, {by}" if by else "le"
    name = f"{{{{{by}}}}} " if by else ""
    return {
        f"{name}{label}": f"histogram_quantile({quantile}, sum by ({grouping}) (rate({selector}[{RATE}])))"
        for label, quantile in (("p50", 0.5), ("p95", 0.95))
    }


def rooms(state: str, where: str = "") -> str:
    """Return the number of rooms in the states of a regular expression."""
    labels = f'state=~"{state}"{", " + where if where else ""}'
    return f"sum(max by (tier, state) (switchboard_rooms{{{labels}}}))"


def rate(metric: str, *by: str, where: str = "") -> str:
    """Return how much of a counter there is in a second."""
    selector = f"{metric}{{{where}}}" if where else metric
    return f"sum by ({', '.join(by)}) (rate({selector}[{RATE}]))"


def a_minute(metric: str, *by: str, where: str = "") -> str:
    """Return how much of a counter there is in a minute."""
    return f"60 * {rate(metric, *by, where=where)}"
