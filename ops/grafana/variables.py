"""The variables at the head of a dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The data source of every query. A variable, so that a dashboard works with any Prometheus that Grafana has: a
placeholder of an export (`${DS_PROMETHEUS}`) is replaced by the import page alone, not by provisioning."""


def datasource() -> builders.DatasourceVariable:
    """Return the choice of a Prometheus. The first one is chosen."""
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def choice(label: str, metric: str) -> builders.QueryVariable:
    """Return the choice of some values of a label, all of them at first.

    All is `.*` and not a list of the values: so it includes the series that lack the label.
    """
    return (
        builders.QueryVariable(label)
        .label(label.capitalize())
        .datasource(DATASOURCE)
        .query(f"label_values({metric}, {label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )
