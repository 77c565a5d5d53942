"""The queries of the dashboards, and the alerts, in a real Prometheus that has scraped a real exporter and receiver."""

from __future__ import annotations

import math

import pytest

from tests.integration.prometheus.conftest import Observed
from tests.integration.prometheus.dashboards import choices, dashboards, queries
from tests.integration.prometheus.promtool import alerts
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERIES = {query.panel: query.expression for query in queries(rate_interval="1m")}


@pytest.mark.parametrize("panel", QUERIES)
async def test_the_query_of_a_panel_gives_data(observed: Observed, panel: str) -> None:
    found = await observed.prometheus.query(QUERIES[panel])
    values = [float(series["value"][1]) for series in found]
    assert any(math.isfinite(value) for value in values), QUERIES[panel]


@pytest.mark.parametrize("name", ["tier", "provider"])
async def test_a_variable_has_the_values_of_its_label(observed: Observed, name: str) -> None:
    (dashboard,) = (found for found in dashboards().values() if name in choices(found))
    metric = choices(dashboard)[name].removeprefix("label_values(").rpartition(",")[0]
    values = {series["metric"].get(name) for series in await observed.prometheus.query(metric)}
    assert values >= {"tier": {"premium", "standard", "free"}, "provider": {"openai", "eleven"}}[name]


async def test_no_rule_has_an_error(observed: Observed) -> None:
    failures = await observed.prometheus.query("sum(prometheus_rule_evaluation_failures_total) or vector(0)")
    assert [series["value"][1] for series in failures] == ["0"]


async def test_what_is_wrong_has_an_alert_and_nothing_else_has(observed: Observed) -> None:
    """Each fires at once here: LiveKit is away, `standard` and the probe have no agent, OpenAI and a backend fail.

    And no console erases what a backend has asked for.
    """
    firing = await observed.prometheus.query('ALERTS{alertstate="firing"}')
    names = {(series["metric"]["alertname"], series["metric"].get("tier", "")) for series in firing}
    assert names == {
        ("SwitchboardBackendDisabled", ""),
        ("SwitchboardErasuresWait", ""),
        ("SwitchboardLiveKitUnreachable", ""),
        ("SwitchboardNobodyIsAnswered", "standard"),
        ("SwitchboardProbeFails", ""),
        ("SwitchboardProvidersFailing", ""),
    }


async def test_an_alert_arrives_at_alertmanager_in_plain_words(observed: Observed) -> None:
    """The last test of this file: Redis is away then."""
    await observed.redis.stop()

    async def arrived() -> bool:
        return any(alert["labels"]["alertname"] == NAME for alert in await observed.alertmanager.alerts())

    await until(arrived, 60, every=0.1)
    found = {alert["labels"]["alertname"]: alert for alert in await observed.alertmanager.alerts()}
    assert found[NAME]["annotations"] == alerts()[NAME]["annotations"]
    # It mutes what follows from it.
    assert "SwitchboardNobodyIsAnswered" not in found


NAME = "SwitchboardRedisUnreachable"
