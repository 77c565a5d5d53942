"""The page of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.observation.expected import ALERTS, Row, silent
from tests.observation.monitoring import Alert


def markdown(
    rows: Sequence[Row],
    fired: Mapping[Alert, float],
    announced: frozenset[str],
    empty_panels: Sequence[str],
    panels: int,
) -> str:
    """Return the page."""
    return "\n".join(_lines(rows, fired, announced, empty_panels, panels)) + "\n"


def _lines(
    rows: Sequence[Row],
    fired: Mapping[Alert, float],
    announced: frozenset[str],
    empty_panels: Sequence[str],
    panels: int,
) -> Iterator[str]:
    yield from (
        "# A run whose numbers are known",
        "",
        "Twenty calls over three tiers, on a real installation: three of them wait at a cap and one gives up there, a",
        "child is killed, a worker is killed while there is no other one of its tier, a worker is drained, a provider",
        "fails with a fallback, and three calls have a key that is refused. One tenant records its call. The writer of",
        "records and the background worker begin when they were missed, and a backend wants no notices any more.",
        "Written by `make observation`.",
        "",
        "## Metrics",
        "",
        "| series of `switchboard_…` | value | must be | |",
        "|---|---|---|---|",
    )
    for row in rows:
        value = "none" if row.value is None else f"{row.value:.10g}"
        yield f"| `{row.series}` | {value} | {row.wanted} | {'' if row.right else '**wrong**'} |"
    yield from (
        "",
        "## Alerts",
        "",
        "With the rules and durations as they are shipped, in Prometheus and Alertmanager. Alertmanager mutes what",
        "follows from another alert: that callers wait, where nobody is answered.",
        "",
        "| alert | of | fired after | Alertmanager had it |",
        "|---|---|---|---|",
    )
    for alert in sorted(ALERTS | fired.keys()):
        name, label = alert
        seconds = f"{fired[alert]:.0f} s" if alert in fired else "**never**"
        unexpected = "" if alert in ALERTS else " **not expected**"
        yield f"| {name} | {label} | {seconds}{unexpected} | {'yes' if name in announced else 'no'} |"
    yield from ("", f"Not fired, as it must be: {', '.join(name for name in silent())}.", "", "## Panels", "")
    yield f"{panels - len(empty_panels)} of {panels} queries of the dashboards have shown data."
    for panel in empty_panels:
        yield f"- without data: {panel}"
