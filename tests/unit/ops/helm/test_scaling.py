"""The number of a tier's pods."""

from __future__ import annotations

import pytest

from tests.unit.ops.helm.objects import container, each_set, env, of_kind, workers


@each_set
def test_a_scaled_deployment_has_no_number_of_its_own(values: str) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(values, "ScaledObject").values()}
    deployments = of_kind(values, "Deployment")
    assert scaled <= set(workers(values))
    for name in workers(values):
        assert ("replicas" in deployments[name]["spec"]) == (name not in scaled), name


@each_set
def test_the_formula_divides_by_the_calls_that_a_pod_can_have(values: str) -> None:
    for each in of_kind(values, "ScaledObject").values():
        pod = workers(values)[each["spec"]["scaleTargetRef"]["name"]]
        (trigger,) = each["spec"]["triggers"]
        assert trigger["metadata"]["threshold"] == env(pod)["SWITCHBOARD_SLOTS"]
        # Of an average value an HPA takes the sum; for a value it would count the pods that still drain.
        assert trigger["metricType"] == "AverageValue"


@each_set
def test_pods_go_one_at_a_time(values: str) -> None:
    for each in of_kind(values, "ScaledObject").values():
        rules = each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        (policy,) = rules["policies"]
        assert (policy["type"], policy["value"]) == ("Pods", 1)
        assert rules["stabilizationWindowSeconds"] > policy["periodSeconds"]


@each_set
def test_without_metrics_no_pod_goes(values: str) -> None:
    for each in of_kind(values, "ScaledObject").values():
        spec = each["spec"]
        (trigger,) = spec["triggers"]
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert spec["minReplicaCount"] >= 1
        assert spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]


@pytest.mark.parametrize("values", ["production", "rehearsal"])
def test_the_query_asks_for_the_exporter_that_is_scraped(values: str) -> None:
    services = of_kind(values, "Service")
    exporters = {name: monitor for name, monitor in of_kind(values, "ServiceMonitor").items() if "exporter" in name}
    for each in of_kind(values, "ScaledObject").values():
        query = each["spec"]["triggers"][0]["metadata"]["query"]
        (monitor,) = exporters.values()
        labels = monitor["spec"]["selector"]["matchLabels"]
        (service,) = (name for name, found in services.items() if labels.items() <= found["metadata"]["labels"].items())
        assert f'service="{service}"' in query
        assert 'namespace="calls"' in query
    (exporter,) = (
        each["spec"]["template"]["spec"] for name, each in of_kind(values, "Deployment").items() if "exporter" in name
    )
    command = container(exporter)["command"]
    (port,) = container(exporter)["ports"]
    assert command[:2] == ["switchboard", "exporter"]
    assert command[-2:] == ["--port", str(port["containerPort"])]
