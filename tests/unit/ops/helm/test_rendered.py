"""What is rendered is of this very chart, and Kubernetes and the operators would take it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from ops.helm import chart
from tests.unit.conventions.source_tree import ROOT, project
from tests.unit.ops.helm.custom_resources import SCHEMAS
from tests.unit.ops.helm.objects import each_set, objects

AGAIN = "the chart or its values have changed: run `make chart`"
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
LARGEST = "production"
"""The values that make each kind of object."""


@pytest.mark.parametrize("path", chart.sets_of_values(), ids=lambda each: each.stem)
def test_what_is_rendered_is_of_this_very_chart(path: Any) -> None:
    assert chart.rendered(path).read_text(encoding="utf-8").startswith(chart.header(path)), AGAIN


def test_nothing_else_is_in_the_folder_of_what_was_rendered() -> None:
    assert {path.name for path in chart.RENDERED.iterdir()} == {path.name for path in chart.VALUES.iterdir()}


def test_the_alerts_in_the_chart_are_those_of_prometheus() -> None:
    assert chart.RULES_IN_CHART.exists() == chart.RULES.exists(), AGAIN
    if chart.RULES.exists():
        assert chart.RULES_IN_CHART.read_text("utf-8") == chart.RULES.read_text("utf-8"), AGAIN


@pytest.mark.parametrize(
    ("values", "version"), [*((path.stem, NEWEST) for path in chart.sets_of_values()), (LARGEST, OLDEST)]
)
def test_kubernetes_takes_each_object_and_knows_each_of_its_fields(values: str, version: str) -> None:
    own = [each for each in objects(values) if each["kind"] not in SCHEMAS]
    assert len(own) > 4
    for each in own:
        assert kubernetes_validate.validate(each, version, strict=True)


@each_set
def test_the_operators_take_each_custom_resource(values: str) -> None:
    for each in objects(values):
        if schema := SCHEMAS.get(each["kind"]):
            jsonschema.validate(each, schema)


def test_every_custom_resource_is_rendered_by_a_set_of_values() -> None:
    kinds = {each["kind"] for path in chart.sets_of_values() for each in objects(path.stem)}
    assert kinds >= set(SCHEMAS) - (set() if chart.RULES.exists() else {"PrometheusRule"})


@each_set
def test_no_two_objects_have_one_name(values: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects(values)]
    assert len(set(names)) == len(names)


def test_the_chart_has_the_version_of_the_project() -> None:
    described = yaml.safe_load((chart.CHART / "Chart.yaml").read_text("utf-8"))
    assert described["appVersion"] == described["version"] == project()["project"]["version"]


def names_of(values: Any, schema: Any, root: Any) -> tuple[set[str], set[str]]:
    """The names of values, and of their schema, at all depths."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    known = schema.get("properties", {})
    given, expected = set(values), set(known)
    for name in given & expected:
        if isinstance(values[name], dict):
            deeper = names_of(values[name], known[name], root)
            given |= {f"{name}.{each}" for each in deeper[0]}
            expected |= {f"{name}.{each}" for each in deeper[1]}
    return given, expected


def test_each_value_has_a_default_and_a_schema() -> None:
    schema = json.loads((chart.CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text("utf-8"))
    given, expected = names_of(values, schema, schema)
    # Names of a user's own, and those that only a chart above this one has.
    free = {"tiers.premium", "tiers.standard", "global"}
    resources = {name for name in given | expected if ".resources." in name}
    assert given - free - resources == expected - free - resources
    of_tier = schema["$defs"]["tier"]["properties"]
    assert of_tier.keys() == schema["properties"]["workers"]["properties"].keys() | {"enabled", "queues", "tiers"}


def test_the_defaults_fit_their_schema() -> None:
    schema = json.loads((chart.CHART / "values.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((chart.CHART / "values.yaml").read_text("utf-8")), schema)


def test_the_image_is_run_by_its_own_user() -> None:
    dockerfile = (ROOT / "ops" / "docker" / "Dockerfile").read_text("utf-8")
    assert "USER 10001:10001" in dockerfile
