"""The dashboards: as they are built, with queries that Prometheus understands and metrics that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.grafana.__main__ import dashboards as built
from tests.integration.prometheus.dashboards import FILES, FOLDER, choices, dashboards, panels
from tests.integration.prometheus.promtool import FOLDER as PROMETHEUS
from tests.integration.prometheus.promtool import rules

register_default_plugins()
EACH = pytest.mark.parametrize("dashboard", dashboards().values(), ids=dashboards())


def test_the_json_is_that_of_the_code() -> None:
    """Otherwise: make dashboards."""
    assert {file.name: file.read_text(encoding="utf-8") for file in FILES} == built()


@EACH
def test_grafanas_own_model_knows_each_field(dashboard: dict[str, Any]) -> None:
    """What the model does not know it drops as it reads, so it would not be written again."""
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard))) == dashboard


@EACH
def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    every = dashboard["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in every)
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@EACH
def test_panels_have_a_title_of_their_own_a_description_and_queries(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in panels(dashboard):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EACH
def test_each_query_asks_the_data_source_that_was_chosen_and_uses_variables_that_exist(
    dashboard: dict[str, Any],
) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    known = {"datasource", "__rate_interval", *choices(dashboard)}
    for panel in panels(dashboard):
        for asked in (panel, *panel["targets"]):
            assert asked["datasource"] == chosen, panel["title"]
        for target in panel["targets"]:
            assert set(re.findall(r"\$\{?(\w+)", target["expr"])) <= known, target["expr"]


def test_a_rate_is_taken_over_four_scrapes_at_least() -> None:
    """`$__rate_interval` is four of the data source's intervals, which must be the scrape interval."""
    provisioned = yaml.safe_load((FOLDER / "provisioning/datasources/switchboard.yaml").read_text(encoding="utf-8"))
    (prometheus,) = (source for source in provisioned["datasources"] if source["type"] == "prometheus")
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert prometheus["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    assert prometheus["isDefault"]


def test_each_recorded_series_that_a_panel_shows_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    shown = {
        name
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        for target in panel["targets"]
        for name in re.findall(r"\w+:switchboard_\w+:\w+", target["expr"])
    }
    assert shown <= recorded
    assert shown
