"""A HorizontalPodAutoscaler, and the part of KEDA that stands in for a metric which cannot be had.

As in Kubernetes' pkg/controller/podautoscaler (GetExternalPerPodMetricReplicas, stabilizeRecommendationWithBehaviors,
convertDesiredReplicasWithBehaviorRate) and KEDA's pkg/fallback, for one external metric with an average value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from tests.autoscaling.rendered import Policy, Scaling

SYNC_SECONDS = 15.0
"""The period of the controller (--horizontal-pod-autoscaler-sync-period)."""
TOLERANCE = 0.1
"""A metric so near to the target changes nothing (--horizontal-pod-autoscaler-tolerance)."""


class Autoscaler:
    """The number of pods of one Deployment. `desired` is called once a sync; times are seconds of any clock."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._failures = 0
        self._recommended: list[tuple[float, int]] = []
        self._changed: list[tuple[float, int]] = []

    def desired(self, now: float, replicas: int, value: float | None) -> int:
        """Return the number of pods there should be, of which there are `replicas` now, without those that drain.

        `value`: the answer to the query, or None if there was none.
        """
        scaling = self._scaling
        proposal = self._proposal(replicas, value)
        if proposal is None:
            return replicas
        wanted = self._stabilized(now, replicas, proposal)
        if wanted > replicas:
            limits = (self._limit(now, replicas, policy, 1) for policy in scaling.up_policies)
            wanted = min(wanted, max(replicas, *limits), scaling.most)
        elif wanted < replicas:
            limits = (self._limit(now, replicas, policy, -1) for policy in scaling.down_policies)
            wanted = max(wanted, min(replicas, *limits))
        wanted = min(max(wanted, scaling.least), scaling.most)
        if wanted != replicas:
            self._changed.append((now, wanted - replicas))
        return wanted

    def _proposal(self, replicas: int, value: float | None) -> int | None:
        scaling = self._scaling
        if value is None:
            self._failures += 1
            # Until then the controller has no metric, and leaves everything as it is.
            return max(replicas, scaling.fallback_replicas) if self._failures > scaling.failure_threshold else None
        self._failures = 0
        if replicas and abs(value / (scaling.threshold * replicas) - 1) <= TOLERANCE:
            return replicas
        return math.ceil(value / scaling.threshold)

    def _stabilized(self, now: float, replicas: int, proposal: int) -> int:
        scaling = self._scaling
        self._recommended.append((now, proposal))
        longest = max(scaling.up_window, scaling.down_window)
        self._recommended = [(at, pods) for at, pods in self._recommended if now - at <= longest]
        at_least = min(pods for at, pods in self._recommended if at == now or now - at < scaling.up_window)
        at_most = max(pods for at, pods in self._recommended if at == now or now - at < scaling.down_window)
        return min(max(replicas, at_least), at_most)

    def _limit(self, now: float, replicas: int, policy: Policy, direction: int) -> int:
        """Return the number of pods to which a policy lets it go."""
        before = replicas - sum(_within(self._changed, now, policy.seconds))
        step = policy.value if policy.kind == "Pods" else before * policy.value / 100
        return math.ceil(before + step) if direction > 0 else math.floor(before - step)


def _within(changes: Iterable[tuple[float, int]], now: float, seconds: float) -> Iterable[int]:
    return (change for at, change in changes if now - at < seconds)
