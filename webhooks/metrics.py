"""Prometheus metrics of the receiver.

No label has a value that a caller can choose: rooms and tenants would have unbounded cardinality.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

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
        self._calls = Counter(
            "switchboard_call_requests",
            "Requests to POST /calls, by outcome.",
            ["outcome"],
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

    def count_event(self, name: str, outcome: str) -> None:
        """Count one event."""
        self._events.labels(name if name in _EVENTS else "other", outcome).inc()

    def count_rejection(self, reason: str) -> None:
        """Count one rejected webhook."""
        self._rejections.labels(reason).inc()

    def count_call(self, outcome: str) -> None:
        """Count one request to POST /calls; `outcome` is one of a fixed set."""
        self._calls.labels(outcome).inc()

    def count_twilio(self, outcome: str) -> None:
        """Count one request to POST /twilio/incoming; `outcome` is one of a fixed set."""
        self._twilio.labels(outcome).inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)
