"""The results of probes as Prometheus metrics, served on a port."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from ops.commands.probe.result import ProbeResult, Step


class ProbeMetrics:
    """The metrics of the last call of each tenant. A step that it did not come to has no value."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._shown: set[tuple[str, Step]] = set()
        self._success = Gauge(
            "switchboard_probe_success",
            "1 if the last probe of the tenant was answered as it should, else 0.",
            ["tenant"],
            registry=self.registry,
        )
        self._steps = Gauge(
            "switchboard_probe_step_seconds",
            "Seconds of each step of the last probe of the tenant, as far as it came.",
            ["tenant", "step"],
            registry=self.registry,
        )
        self._last_run = Gauge(
            "switchboard_probe_last_run_timestamp_seconds",
            "Unix time at which the last probe of the tenant ended.",
            ["tenant"],
            registry=self.registry,
        )

    def record(self, result: ProbeResult) -> None:
        """Record the result of one call."""
        for step in Step:
            shown = (result.tenant, step)
            if step in result.steps:
                self._steps.labels(result.tenant, step.value).set(result.steps[step])
                self._shown.add(shown)
            elif shown in self._shown:
                # That of the call before would look like one of this call.
                self._steps.remove(result.tenant, step.value)
                self._shown.remove(shown)
        self._success.labels(result.tenant).set(result.success)
        self._last_run.labels(result.tenant).set(time.time())

    @contextmanager
    def serve(self, port: int) -> Iterator[None]:
        """Serve the metrics at every address of this host until the end of the block. Raises OSError."""
        server, thread = start_http_server(port, registry=self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
