"""The exporter, and a Prometheus that scrapes it with the labels which Prometheus' operator would give."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess
from tests.autoscaling.rendered import Installation

OK = 200
QUERY_SECONDS = 3.0


class PrometheusMissing(Exception):
    """There is no prometheus on the PATH. Install it, for example by `apt-get install prometheus`."""


class ExporterProcess(ManagedProcess):
    """`switchboard exporter`."""

    ready_seconds = 60.0

    def __init__(self, directory: Path, env: Mapping[str, str], *, port: int) -> None:
        super().__init__("exporter", directory, env)
        self.port = port

    def command(self) -> list[str]:
        """Return the chart's command."""
        return [sys.executable, "-m", "ops.cli", "exporter", "--host", HOST, "--port", str(self.port)]

    async def is_ready(self) -> bool:
        """Return whether it answers a scrape."""
        return await probe.http_status(HOST, self.port, "/metrics") == OK


class Prometheus(ManagedProcess):
    """One Prometheus that scrapes the exporter alone."""

    ready_seconds = 60.0

    def __init__(
        self, directory: Path, env: Mapping[str, str], *, port: int, exporter_port: int, installation: Installation
    ) -> None:
        super().__init__("prometheus", directory, env)
        self._port = port
        self._exporter_port = exporter_port
        self._installation = installation
        found = shutil.which("prometheus")
        if found is None:
            raise PrometheusMissing(PrometheusMissing.__doc__)
        self._binary = found

    def command(self) -> list[str]:
        """Write the configuration, as JSON, which is YAML too, and return the command."""
        job = {
            "job_name": self._installation.labels["service"],
            "scrape_interval": f"{self._installation.scrape_seconds}s",
            "static_configs": [{"targets": [f"{HOST}:{self._exporter_port}"], "labels": self._installation.labels}],
        }
        config = self.directory / "prometheus.yml"
        config.write_text(json.dumps({"scrape_configs": [job]}), encoding="utf-8")
        data = self.directory / "prometheus-data"
        return [
            self._binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address={HOST}:{self._port}",
        ]

    async def is_ready(self) -> bool:
        """Return whether it answers queries."""
        return await probe.http_status(HOST, self._port, "/-/ready") == OK

    async def value(self, query: str) -> float | None:
        """Return the answer to a query as KEDA takes it: one number, or None, which KEDA calls an error."""
        url = f"http://{HOST}:{self._port}/api/v1/query?{urlencode({'query': query})}"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(QUERY_SECONDS)) as session,
                session.get(url) as response,
            ):
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError):
            return None
        result = answer["data"]["result"] if answer["status"] == "success" else []
        if len(result) != 1:
            return None
        value = float(result[0]["value"][1])
        return value if math.isfinite(value) else None
