"""What the rendered chart says of the pods of a tier, and of their number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import yaml

from ops.helm import chart

VALUES = chart.VALUES / "rehearsal.yaml"
TIER = "premium"


class StaleChart(Exception):
    """The rendered chart is not of these files. Run `make chart`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of an HPA: at most `value` pods, or per cent of them, in so many seconds."""

    kind: str
    value: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """A ScaledObject with one trigger on Prometheus. `threshold`: the calls that a pod carries."""

    query: str
    threshold: float
    least: int
    most: int
    fallback_replicas: int
    failure_threshold: int
    up_window: int
    up_policies: tuple[Policy, ...]
    down_window: int
    down_policies: tuple[Policy, ...]

    @classmethod
    def read(cls, scaled_object: dict[str, Any]) -> Self:
        """Return the scaling of a ScaledObject."""
        spec = scaled_object["spec"]
        (trigger,) = spec["triggers"]
        assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        up, down = behavior["scaleUp"], behavior["scaleDown"]
        return cls(
            query=trigger["metadata"]["query"],
            threshold=float(trigger["metadata"]["threshold"]),
            least=spec["minReplicaCount"],
            most=spec["maxReplicaCount"],
            fallback_replicas=spec["fallback"]["replicas"],
            failure_threshold=spec["fallback"]["failureThreshold"],
            up_window=up["stabilizationWindowSeconds"],
            up_policies=_policies(up),
            down_window=down["stabilizationWindowSeconds"],
            down_policies=_policies(down),
        )


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """The pod of a worker. `env`: the variables whose value the chart has; those of Secrets are files."""

    queues: tuple[str, ...]
    env: dict[str, str]
    grace_seconds: float
    start_seconds: float

    @classmethod
    def read(cls, deployment: dict[str, Any]) -> Self:
        """Return the pod of a Deployment."""
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        command = container["command"]
        probe = container["startupProbe"]
        return cls(
            queues=tuple(command[command.index("-Q") + 1].split(",")),
            env={entry["name"]: entry["value"] for entry in container["env"] if not entry["name"].endswith("_FILE")},
            grace_seconds=spec["terminationGracePeriodSeconds"],
            start_seconds=probe["periodSeconds"] * probe["failureThreshold"],
        )

    @property
    def slots(self) -> int:
        """The calls that a pod can have."""
        return int(self.env["SWITCHBOARD_SLOTS"])

    @property
    def promise_seconds(self) -> float:
        """The wait that callers of the tier are promised at most."""
        promises = dict(part.split("=") for part in self.env["SWITCHBOARD_TIER_PROMISE_SECONDS"].split(","))
        return float(promises[TIER])


@dataclass(frozen=True, slots=True)
class Installation:
    """What is needed of the chart. `labels`: those that Prometheus' operator gives to the exporter's metrics."""

    scaling: Scaling
    pod: PodTemplate
    labels: dict[str, str]
    scrape_seconds: int

    @classmethod
    def read(cls) -> Self:
        """Return what was rendered with the values of the rehearsal. Raises StaleChart."""
        text = chart.rendered(VALUES).read_text(encoding="utf-8")
        if not text.startswith(chart.header(VALUES)):
            raise StaleChart(StaleChart.__doc__)
        objects = [each for each in yaml.safe_load_all(text) if each]
        (scaled_object,) = (each for each in objects if each["kind"] == "ScaledObject")
        target = scaled_object["spec"]["scaleTargetRef"]["name"]
        (deployment,) = (each for each in objects if _is(each, "Deployment", target))
        (monitor,) = (each for each in objects if each["kind"] == "ServiceMonitor" and "exporter" in _name(each))
        (endpoint,) = monitor["spec"]["endpoints"]
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = (
            each
            for each in objects
            if each["kind"] == "Service" and wanted.items() <= each["metadata"]["labels"].items()
        )
        interval = re.fullmatch(r"(\d+)s", endpoint["interval"])
        assert interval
        return cls(
            scaling=Scaling.read(scaled_object),
            pod=PodTemplate.read(deployment),
            labels={"namespace": chart.NAMESPACE, "service": _name(service)},
            scrape_seconds=int(interval[1]),
        )


def _policies(rules: dict[str, Any]) -> tuple[Policy, ...]:
    return tuple(Policy(each["type"], each["value"], each["periodSeconds"]) for each in rules["policies"])


def _name(each: dict[str, Any]) -> str:
    return str(each["metadata"]["name"])


def _is(each: dict[str, Any], kind: str, name: str) -> bool:
    return each["kind"] == kind and _name(each) == name
