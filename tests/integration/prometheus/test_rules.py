"""The alerts of ops/prometheus/rules.yml, by promtool: each fires when it should, and not in the case beside it."""

from __future__ import annotations

import re

import pytest

from ops.metrics.catalogue import METRICS
from tasks.rooms import Intake, State
from tests.integration.prometheus.calls import CALLS
from tests.integration.prometheus.healthy import healthy
from tests.integration.prometheus.parts import PARTS
from tests.integration.prometheus.promtool import RULES, alerts, rules, run
from tests.integration.prometheus.scenario import Scenario, verdicts
from tests.unit.conventions.source_tree import ROOT

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


def test_each_metric_of_a_rule_is_exposed_or_recorded() -> None:
    of_receivers = re.findall(r'"(switchboard_\w+)"', (ROOT / "webhooks/metrics.py").read_text(encoding="utf-8"))
    of_a_probe = {"switchboard_probe_success", "switchboard_probe_last_run_timestamp_seconds"}
    exposed = {metric.name for metric in METRICS} | set(of_receivers) | of_a_probe
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in re.findall(r"[\w:]*switchboard_[\w:]+", rule["expr"])}
    assert used <= exposed | recorded
    assert recorded <= used, "recorded and read by no alert"


def test_a_state_of_a_rule_is_one_of_an_intake_gate_or_of_a_room() -> None:
    states = {state for rule in rules() for state in re.findall(r'state="([^"]+)"', rule["expr"])}
    assert states
    assert states <= {*Intake, *State}


def test_each_alert_has_a_severity_a_summary_a_description_and_its_section() -> None:
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in {"critical", "warning"}, name
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}, name
        assert alert["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"
