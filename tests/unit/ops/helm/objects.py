"""The objects that the chart was rendered to."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml

from ops.helm import chart

Object = dict[str, Any]
SETS = [pytest.param(path.stem, id=path.stem) for path in chart.sets_of_values()]
each_set = pytest.mark.parametrize("values", SETS)


@cache
def objects(values: str) -> list[Object]:
    """All objects of a set of values."""
    text = chart.rendered(chart.VALUES / f"{values}.yaml").read_text(encoding="utf-8")
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(values: str, kind: str) -> dict[str, Object]:
    """The objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in objects(values) if each["kind"] == kind}


def pods(values: str) -> dict[str, Object]:
    """The pods' specs, by the name of their Deployment."""
    return {name: each["spec"]["template"]["spec"] for name, each in of_kind(values, "Deployment").items()}


def workers(values: str) -> dict[str, Object]:
    """The pods of workers."""
    return {name: pod for name, pod in pods(values).items() if "-worker-" in name}


def container(pod: Object) -> Object:
    (only,) = pod["containers"]
    return dict(only)


def env(pod: Object) -> dict[str, str]:
    """The variables of a pod whose value the chart has."""
    return {each["name"]: each["value"] for each in container(pod)["env"] if "value" in each}


def mebibytes(quantity: str) -> float:
    """A quantity of memory in MiB."""
    number, unit = float(quantity[:-2]), quantity[-2:]
    return number * {"Mi": 1, "Gi": 1024}[unit]
