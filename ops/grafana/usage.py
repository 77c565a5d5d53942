"""The panels of usage, which the dashboards of tenants and of providers have in common."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana import queries
from ops.grafana.panels import graph


def usage_panels(by: str, *, characters_by: str, where: str) -> Sequence[models.Panel]:
    """Return the panels, with a line for each value of the label `by` and what it is split into."""
    return [
        graph(
            "Tokens a minute",
            "Tokens of language models, in and out.",
            _a_minute("switchboard_usage_tokens_total", by, "model", "direction", where=where),
        ),
        graph(
            "Characters a minute",
            "Characters that were turned into speech.",
            _a_minute("switchboard_usage_characters_total", by, characters_by, where=where),
        ),
        graph(
            "Audio, seconds a minute",
            "Audio that was heard and spoken.",
            _a_minute("switchboard_usage_audio_seconds_total", by, "kind", where=where),
            unit=units.Seconds,
        ),
    ]


def _a_minute(metric: str, *labels: str, where: str) -> dict[str, str]:
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    return {legend: queries.a_minute(metric, *labels, where=where)}
