"""The frame that all dashboards share: data source, time, links, rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from ops.grafana import variables
from ops.grafana.panels import height, width

TAG = "switchboard"
COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels under a title."""

    title: str
    panels: Sequence[models.Panel]


def dashboard(
    title: str, description: str, *rows: Row, choices: Sequence[builders.QueryVariable] = ()
) -> models.Dashboard:
    """Return a dashboard, `choices` being its variables beside the data source."""
    builder = (
        builders.Dashboard(f"Switchboard: {title}")
        .uid(f"{TAG}-{title}")
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            builders.DashboardLink("Switchboard")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(keep_time=True)
        )
        .with_variable(variables.datasource())
    )
    for choice in choices:
        builder.with_variable(choice)
    board = builder.build()
    board.panels = _arranged(rows)
    return board


def _arranged(rows: Sequence[Row]) -> list[models.Panel | models.RowPanel]:
    """Return the panels from left to right, each with an id, as links to a panel name it, and a position of its own."""
    arranged: list[models.Panel | models.RowPanel] = []
    top = 0
    for row in rows:
        title = builders.Row(row.title).id(len(arranged) + 1).grid_pos(models.GridPos(x=0, y=top, w=COLUMNS, h=1))
        arranged.append(title.build())
        top += 1
        left, tallest = 0, 0
        for panel in row.panels:
            if left + width(panel) > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            panel.id_val = len(arranged) + 1
            panel.grid_pos = models.GridPos(x=left, y=top, w=width(panel), h=height(panel))
            arranged.append(panel)
            left, tallest = left + width(panel), max(tallest, height(panel))
        top += tallest
    return arranged
