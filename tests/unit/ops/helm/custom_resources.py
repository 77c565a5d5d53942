"""Schemas of the custom resources that the chart makes: the fields that it uses, as their operators define them.

Strict: a field that is not here is a mistake until somebody has looked it up. KEDA 2.17 and Prometheus' operator 0.70.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
SECONDS = {"type": "integer", "minimum": 0, "maximum": 3600}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}


def fields(required: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def resource(api: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = fields("name labels", name=TEXT, labels=LABELS)
    return fields(
        "apiVersion kind metadata spec", apiVersion={"const": api}, kind={"const": kind}, metadata=metadata, spec=spec
    )


POLICY = fields(
    "type value periodSeconds",
    type={"enum": ["Pods", "Percent"]},
    value=COUNT,
    periodSeconds={**COUNT, "maximum": 1800},
)
RULES = fields(
    "policies",
    stabilizationWindowSeconds=SECONDS,
    selectPolicy={"enum": ["Max", "Min", "Disabled"]},
    policies={"type": "array", "minItems": 1, "items": POLICY},
)
BEHAVIORS = ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
TRIGGER = fields(
    "type metadata",
    type=TEXT,
    metricType={"enum": ["AverageValue", "Value", "Utilization"]},
    metadata=LABELS,
    authenticationRef=fields("name", name=TEXT),
)
SCALED_OBJECT = resource(
    "keda.sh/v1alpha1",
    "ScaledObject",
    fields(
        "scaleTargetRef triggers",
        scaleTargetRef=fields("name", name=TEXT, apiVersion=TEXT, kind=TEXT),
        pollingInterval=COUNT,
        minReplicaCount={"type": "integer", "minimum": 0},
        maxReplicaCount=COUNT,
        fallback=fields(
            "failureThreshold replicas",
            failureThreshold={"type": "integer", "minimum": 0},
            replicas={"type": "integer", "minimum": 0},
            behavior={"enum": BEHAVIORS},
        ),
        advanced=fields(
            restoreToOriginalReplicaCount={"type": "boolean"},
            horizontalPodAutoscalerConfig=fields(behavior=fields(scaleUp=RULES, scaleDown=RULES)),
        ),
        triggers={"type": "array", "minItems": 1, "items": TRIGGER},
    ),
)
SERVICE_MONITOR = resource(
    "monitoring.coreos.com/v1",
    "ServiceMonitor",
    fields(
        "selector endpoints",
        selector=fields("matchLabels", matchLabels=LABELS),
        endpoints={
            "type": "array",
            "minItems": 1,
            "items": fields("port", port=TEXT, path=TEXT, interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}),
        },
    ),
)
RULE = fields(
    "expr",
    record=TEXT,
    alert=TEXT,
    expr={},
    labels=LABELS,
    annotations=LABELS,
    **{"for": TEXT, "keep_firing_for": TEXT},
)
GROUP = fields("name rules", name=TEXT, interval=TEXT, rules={"type": "array", "items": RULE})
PROMETHEUS_RULE = resource(
    "monitoring.coreos.com/v1",
    "PrometheusRule",
    fields("groups", groups={"type": "array", "minItems": 1, "items": GROUP}),
)

SCHEMAS = {"ScaledObject": SCALED_OBJECT, "ServiceMonitor": SERVICE_MONITOR, "PrometheusRule": PROMETHEUS_RULE}
