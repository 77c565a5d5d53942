"""The alerts of ops/prometheus/rules.yml, by promtool: each fires when it should, and not in the case beside it."""

from __future__ import annotations

import pytest

from tests.integration.prometheus.calls import CALLS
from tests.integration.prometheus.healthy import healthy
from tests.integration.prometheus.parts import PARTS
from tests.integration.prometheus.promtool import RULES, alerts, rules, run
from tests.integration.prometheus.scenario import Scenario, verdicts

SCENARIOS = [*CALLS, *PARTS]
WRONG = Scenario("Redis is not away", {}, {"5m": ("SwitchboardRedisUnreachable",)})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What promtool finds wrong in each scenario."""
    return verdicts([*SCENARIOS, WRONG], tmp_path_factory.mktemp("scenarios"), healthy())


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_the_alerts_of_a_scenario_fire_and_no_others(name: str, found: dict[str, str]) -> None:
    assert found[name] == ""


def test_each_alert_fires_in_a_scenario_and_does_not_in_one_that_is_near() -> None:
    assert {name for scenario in SCENARIOS for name in scenario.alerts()} == set(alerts())
    assert {scenario.near for scenario in SCENARIOS if scenario.near} == set(alerts())
    assert not [scenario.name for scenario in SCENARIOS if scenario.near and scenario.alerts()]


def test_a_scenario_that_is_wrong_fails(found: dict[str, str]) -> None:
    assert 'alertname="SwitchboardRedisUnreachable"' in found[WRONG.name]


def test_promtool_has_no_complaint_about_the_rules() -> None:
    done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout
    assert f"{len(rules())} rules found" in done.stdout


def test_each_alert_has_a_severity_a_summary_a_description_and_its_section() -> None:
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in {"critical", "warning"}, name
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}, name
        assert alert["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"
