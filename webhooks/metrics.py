"""Prometheus metrics of the receiver.

No label has a value that a caller can choose: rooms and tenants would have unbounded cardinality.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from webhooks.errors import Rejection

_EVENTS = frozenset(
    {
        "room_started",
        "room_finished",
        "participant_joined",
        "participant_left",
        "participant_connection_aborted",
        "track_published",
        "track_unpublished",
        "egress_started",
        "egress_updated",
        "egress_ended",
        "ingress_started",
        "ingress_ended",
    },
)
# Most requests take a few milliseconds; 2 s is the default deadline for Redis.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5)
# LiveKit tries for 15 s, and drops an event that has waited for 30 s behind others of its room.
_AGES = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60)


IS_LEADER = "1 if the reconciler of this receiver is the leader, else 0."
LIVEKIT_UP = "1 if the LiveKit server has answered the leader's last request, else 0; of the leader's receiver alone."


class Leadership(Protocol):
    """The reconciler of a receiver, as its metrics see it."""

    @property
    def is_leader(self) -> bool:
        """True while this one leads."""
        ...

    @property
    def livekit_is_up(self) -> bool:
        """True if the LiveKit server has answered the leader's last request."""
        ...


class _Reconciling(Collector):
    """Gauges of the reconciler. Only the leader asks the LiveKit server, so only its receiver knows if it is up."""

    def __init__(self, reconciler: Leadership) -> None:
        self._reconciler = reconciler

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield them."""
        leads = self._reconciler.is_leader
        yield GaugeMetricFamily("switchboard_reconciler_is_leader", IS_LEADER, value=int(leads))
        if leads:
            yield GaugeMetricFamily("switchboard_livekit_up", LIVEKIT_UP, value=int(self._reconciler.livekit_is_up))


class Metrics:
    """The metrics of one app, in a registry of their own, so that two apps in one process count separately."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._events = Counter(
            "switchboard_webhook_events",
            "Webhooks with a valid signature, by event and outcome.",
            ["event", "outcome"],
            registry=self._registry,
        )
        self._rejections = Counter(
            "switchboard_webhook_rejections",
            "Webhooks rejected before they were handled, by reason.",
            ["reason"],
            registry=self._registry,
        )
        # So that the first one of its reason is an increase.
        for kind in Rejection.__subclasses__():
            self._rejections.labels(kind.reason)
        self._calls = Counter(
            "switchboard_call_requests",
            "Requests to POST /calls, by outcome.",
            ["outcome"],
            registry=self._registry,
        )
        self._api = Counter(
            "switchboard_api_requests",
            "Requests about calls, usage and concurrency, by route and outcome.",
            ["route", "outcome"],
            registry=self._registry,
        )
        self._twilio = Counter(
            "switchboard_twilio_requests",
            "Requests to POST /twilio/incoming, by outcome.",
            ["outcome"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "switchboard_webhook_seconds",
            "Seconds from the headers of a webhook to its response, rejections included.",
            buckets=_SECONDS,
            registry=self._registry,
        )

        self._redis_seconds = Histogram(
            "switchboard_webhook_redis_seconds",
            "Seconds that a webhook or a requested call has waited for Redis.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._event_age_seconds = Histogram(
            "switchboard_webhook_event_age_seconds",
            "Seconds from an event, by LiveKit's clock, to the arrival of its webhook.",
            buckets=_AGES,
            registry=self._registry,
        )

    def watch(self, reconciler: Leadership) -> None:
        """Show whether this reconciler leads, and what it knows of the LiveKit server."""
        self._registry.register(_Reconciling(reconciler))

    def observe_redis(self, seconds: float) -> None:
        """Count the time of one action in Redis."""
        self._redis_seconds.observe(seconds)

    def observe_event(self, at_ms: int | None) -> None:
        """Count the age of an event that has arrived. `at_ms`: unix ms, None if it does not say."""
        if at_ms is not None:
            self._event_age_seconds.observe(max(0.0, time.time() - at_ms / 1000))

    def count_event(self, name: str, outcome: str) -> None:
        """Count one event."""
        self._events.labels(name if name in _EVENTS else "other", outcome).inc()

    def count_rejection(self, reason: str) -> None:
        """Count one rejected webhook."""
        self._rejections.labels(reason).inc()

    def count_call(self, outcome: str) -> None:
        """Count one request to POST /calls; `outcome` is one of a fixed set."""
        self._calls.labels(outcome).inc()

    def count_api(self, route: str, outcome: str) -> None:
        """Count one request about calls, usage or concurrency; `route` and `outcome` are of fixed sets."""
        self._api.labels(route, outcome).inc()

    def count_twilio(self, outcome: str) -> None:
        """Count one request to POST /twilio/incoming; `outcome` is one of a fixed set."""
        self._twilio.labels(outcome).inc()

    def families(self) -> list[Family]:
        """Return all metrics."""
        return list(self._registry.collect())

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
