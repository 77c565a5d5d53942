"""The configurations of Prometheus and Alertmanager, by their own checkers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.prometheus.promtool import FOLDER, alerts, run
from tests.unit.conventions.source_tree import ROOT

ALERTMANAGER = FOLDER / "alertmanager.yml"


def test_prometheus_accepts_its_configuration() -> None:
    done = run("promtool", "check", "config", FOLDER / "prometheus.yml")
    assert done.returncode == 0, done.stdout


def test_alertmanager_accepts_its_configuration() -> None:
    done = run("amtool", "check-config", ALERTMANAGER)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", alerts())
def test_an_alert_goes_to_the_receiver_of_its_severity(name: str) -> None:
    severity = alerts()[name]["labels"]["severity"]
    labels = (f"alertname={name}", f"severity={severity}")
    done = run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
    # After a warning about its own options.
    assert done.stdout.split()[-1] == severity


def test_alertmanager_accepts_the_receivers_of_the_document_in_the_place_of_ours(tmp_path: Path) -> None:
    document = (ROOT / "docs/howto/observe.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(receivers:.+?)^```", document, re.MULTILINE | re.DOTALL)
    config = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8")) | yaml.safe_load(example)
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = run("amtool", "check-config", file)
    assert done.returncode == 0, done.stdout


def test_what_mutes_and_what_is_muted_are_alerts_and_none_mutes_itself() -> None:
    for rule in yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))["inhibit_rules"]:
        sources = {name for name in alerts() if matches(name, rule["source_matchers"])}
        muted = {name for name in alerts() if matches(name, rule["target_matchers"])}
        assert sources
        assert muted
        assert not sources & muted
        for matcher in [*rule["source_matchers"], *rule["target_matchers"]]:
            for pattern in re.findall(r"Switchboard\((.+)\)", matcher):
                assert {f"Switchboard{part}" for part in pattern.split("|")} <= set(alerts())


def matches(name: str, matchers: list[str]) -> bool:
    """Whether an alert of this name has what all of the matchers ask of names."""
    for matcher in matchers:
        found = re.fullmatch(r'alertname (=|=~|!=|!~) "(.+)"', matcher)
        assert found, matcher
        sign, pattern = found.groups()
        is_equal = re.fullmatch(pattern, name) is not None if "~" in sign else pattern == name
        if is_equal == sign.startswith("!"):
            return False
    return True
