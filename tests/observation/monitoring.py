"""The exporter, Prometheus with the rules as they are shipped, and Alertmanager, beside a stack."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ops.stack import Stack
from ops.stack.exporter import Exporter
from ops.stack.ports import HOST, PortPicker
from tests.integration.ops.metrics.scrape import scrape
from tests.integration.prometheus.dashboards import queries
from tests.integration.prometheus.promtool import program
from tests.support.probe import Probe
from tests.support.prometheus import Alertmanager, Prometheus

STEP_SECONDS = 5

Alert = tuple[str, str]
"""The name of an alert, and its tier, queue or provider."""


@dataclass(frozen=True)
class Monitoring:
    """What watches a stack. `probe` is started by whoever wants its calls."""

    stack: Stack
    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    probe: Probe
    began: float

    @classmethod
    @asynccontextmanager
    async def start(cls, stack: Stack) -> AsyncIterator[Monitoring]:
        """Watch the stack for as long as the block lasts."""
        ports = PortPicker()
        directory, env = stack.directory, stack.receivers[0].env
        exporter = Exporter(directory, env, port=ports.pick())
        probe = Probe(directory, env, port=ports.pick())
        alertmanager = Alertmanager(directory, binary=program("prometheus-alertmanager"), port=ports.pick())
        jobs = {"switchboard": [exporter.port], "switchboard-receivers": [each.port for each in stack.receivers]}
        prometheus = Prometheus(
            directory,
            binary=program("prometheus"),
            port=ports.pick(),
            jobs=jobs | {"switchboard-probe": [probe.port]},
            alertmanager=alertmanager,
            at_once=False,
        )
        async with AsyncExitStack() as running:
            running.push_async_callback(probe.stop)
            for process in (exporter, alertmanager, prometheus):
                running.push_async_callback(process.stop)
                await process.start()
            yield cls(stack, exporter, prometheus, alertmanager, probe, time.time())

    async def values(self) -> dict[str, float]:
        """Return each series of the exporter, and the sums of the receivers'."""
        found = await _series(self.exporter.url)
        for receiver in self.stack.receivers:
            for series, value in (await _series(f"http://{HOST}:{receiver.port}/metrics")).items():
                found[series] = found.get(series, 0.0) + value
        return found

    async def fired(self) -> dict[Alert, float]:
        """Return the alerts that have fired so far: how many seconds after the begin each did first."""
        found: dict[Alert, float] = {}
        series = await self.prometheus.query_range('ALERTS{alertstate="firing"}', self.began, STEP_SECONDS)
        for each in series:
            labels = each["metric"]
            alert = (labels["alertname"], next((labels[name] for name in KEYS if name in labels), ""))
            found[alert] = round(min(float(at) for at, _ in each["values"]) - self.began)
        return found

    async def announced(self) -> set[str]:
        """Return the names of the alerts that Alertmanager has now and does not mute."""
        return {alert["labels"]["alertname"] for alert in await self.alertmanager.alerts()}

    async def empty_panels(self) -> tuple[list[str], int]:
        """Return the panels' queries that have shown no data in the whole run, and how many there are."""
        empty, count = [], 0
        for query in queries(rate_interval="1m"):
            count += 1
            series = await self.prometheus.query_range(query.expression, self.began, STEP_SECONDS)
            if not any(math.isfinite(float(value)) for each in series for _, value in each["values"]):
                empty.append(query.panel)
        return empty, count


KEYS = ("tier", "queue", "provider", "worker", "tenant")


async def _series(url: str) -> dict[str, float]:
    """Return the values of a scrape by their series, as Prometheus writes them."""
    found = {}
    for (name, labels), value in (await scrape(url)).samples.items():
        pairs = ",".join(f'{label}="{text}"' for label, text in sorted(labels))
        found[f"{name}{{{pairs}}}"] = value
    return found
