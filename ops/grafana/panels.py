"""The kinds of panels. Each has a description, for a reader who was woken by an alert."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana.variables import DATASOURCE

GRAPH_SIZE = models.GridPos(w=12, h=8)
NUMBER_SIZE = models.GridPos(w=4, h=4)
TIMELINE_SIZE = models.GridPos(w=24, h=8)
GOOD, WARNING, BAD = "green", "orange", "red"

Limits = Mapping[float, str]
"""From each value on a colour."""


def width(panel: models.Panel) -> int:
    """Return the columns of a panel."""
    return panel.grid_pos.w if panel.grid_pos else GRAPH_SIZE.w


def height(panel: models.Panel) -> int:
    """Return the rows of a panel."""
    return panel.grid_pos.h if panel.grid_pos else GRAPH_SIZE.h


def graph(
    title: str, description: str, queries: Mapping[str, str], *, unit: str = units.Short, stacked: bool = False
) -> models.Panel:
    """Return lines over time. `queries`: legend -> PromQL; `{{label}}` in a legend is the label's value."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .fill_opacity(30 if stacked else 0)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.TABLE)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .grid_pos(GRAPH_SIZE)
        .targets(_targets(queries))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    return panel.build()


def number(
    title: str,
    description: str,
    query: str,
    *,
    unit: str = units.Short,
    limits: Limits | None = None,
    below: str = GOOD,
) -> models.Panel:
    """Return the present value, in a colour by its limits; `below` the first of them another one."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(limits or {}, below))
        # A number of nothing must not look like a good value.
        .no_value("no data")
        .grid_pos(NUMBER_SIZE)
        .targets(_targets({"": query}))
        .build()
    )


def timeline(title: str, description: str, queries: Mapping[str, str], *, limits: Limits | None = None) -> models.Panel:
    """Return a line for each series whose colour changes with its value, by the limits."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .thresholds(_thresholds(limits or {}))
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(merge_values=True)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(70)
        .grid_pos(TIMELINE_SIZE)
        .targets(_targets(queries))
        .build()
    )


def _targets(queries: Mapping[str, str]) -> list[cog.Builder[variants.Dataquery]]:
    return [
        prometheus.Dataquery().datasource(DATASOURCE).ref_id(letter).expr(expression).legend_format(legend).range()
        for letter, (legend, expression) in zip(ascii_uppercase, queries.items(), strict=False)
    ]


def _thresholds(limits: Limits, below: str = GOOD) -> builders.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=below)]
    steps += [models.Threshold(value=value, color=colour) for value, colour in limits.items()]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
