"""Values that would lose calls, or that would only fail in the cluster, are refused with the cure."""

from __future__ import annotations

import json
from functools import cache

import pytest

from ops.helm import chart

SAID = {
    "a grace period that is shorter than the drain": "a drain takes up to 330 s: drainSeconds 300 + exitSeconds 30",
    "a drain that is longer than the cluster gives a pod to stop": "Lower drainSeconds to at most 570",
    "a setting that follows from another value": "SWITCHBOARD_DRAIN_SECONDS follows from workers.drainSeconds",
    "a secret among the settings": "LIVEKIT_API_SECRET is a secret: name the Secret that has it",
    "a secret among the variables": "REDIS_URL is a secret: name the Secret that has it",
    "the database's address among the settings": "SWITCHBOARD_DATABASE_URL is a secret: name the Secret that has it",
    "the headers of a collector, which are a secret": "set tracing.existingSecret, as it is a secret",
    "variables of traces without a collector": "tracing.variables without tracing.endpoint",
    "a variable of traces that is none": "'OTLP_ENDPOINT' does not match",
    "a probe that calls nobody": "probe.tenants is empty: name a tenant",
    "no LiveKit server": "livekit.url has to be set",
    "a URL that LiveKit's clients cannot use": "at '/livekit/url': 'livekit.example.com' does not match",
    "no Secret of Redis": "redis.existingSecret has to be set",
    "no Secret of Flower": "flower.existingSecret has to be set",
    "a console without a writer of records": "console.enabled without records.enabled",
    "a console without a database": "database.existingSecret has to be set",
    "a console without operators": "set console.operators.existingSecret",
    "OpenID Connect without roles": "console.openid.issuer needs console.openid.clientId, console.openid.roles",
    "OpenID Connect without a provider": "console.openid without console.openid.issuer",
    "a console without TLS": "at '/console/publicUrl': 'http://console.example.com' does not match",
    "an ingress without an address": "console.ingress needs console.publicUrl",
    "two consoles with a volume that one node may write to": "set console.recordings.url to a bucket",
    "a setting that follows from the console": "SWITCHBOARD_CONSOLE_URL follows from console.enabled",
    "recordings in a folder that is no volume": "at '/console/recordings/url': 'file:///var/recordings' does not match",
    "a queue that no workers take": "the queue free, and no entry of tiers takes it",
    "workers for a queue that there is not": "workers for the queue standard, which is none of SWITCHBOARD_TIERS",
    "no tier": "tiers has no tier",
    "a tier whose name is none of Kubernetes": "at '/tiers': additional properties 'Premium_EU' not allowed",
    "a misspelt value": "at '/workers': additional properties 'callPerPod' not allowed",
    "a misspelt value of a tier": "at '/tiers/premium/autoscaling': additional properties 'maxReplica' not allowed",
    "a quota in which a pod would not take its calls": "limits.cpu is 1, but callsPerPod 6 x callCores 0.2 is 1200m",
    "memory that all calls together may exceed": "limits.memory is 1Gi, but its calls may take 2368Mi",
    "autoscaling down to no pod at all, from which a fallback does not come back": "minimum: got 0, want 1",
    "a buffer that the tolerance of an HPA swallows": "buffer/share': minimum: got 0.05, want 0.11",
    "autoscaling without a Prometheus": "prometheus.serverAddress has to be set for autoscaling",
    "autoscaling without an exporter": "autoscaling reads the exporter's metrics: set exporter.enabled",
    "fewer pods at most than at least": "autoscaling.maxReplicas 4 is less than minReplicas 9",
}


@cache
def messages() -> dict[str, list[str]]:
    return chart.refusals()[1]


@pytest.mark.parametrize("case", SAID)
def test_it_is_refused_with_the_cure(case: str) -> None:
    assert SAID[case] in " ".join(messages()[case])
    assert messages()[case][0].startswith("Error: ")


def test_every_case_was_tried() -> None:
    assert set(messages()) == set(SAID) == set(json.loads(chart.REFUSED.read_text("utf-8")))


def test_it_was_this_very_chart_that_refused_them() -> None:
    assert chart.refusals()[0] == chart.digest(chart.REFUSED), "the chart or its values have changed: run `make chart`"
