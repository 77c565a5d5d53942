"""Debian's Prometheus and Alertmanager, with this project's rules, scraping real processes each second."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess
from tests.unit.conventions.source_tree import ROOT

INTERVAL = "1s"
OK = 200


class Alertmanager(ManagedProcess):
    """Alertmanager with the configuration of docker-compose.yml, which tells nobody, without its time to gather."""

    def __init__(self, directory: Path, *, binary: str, port: int) -> None:
        super().__init__("alertmanager", directory, {})
        self.binary = binary
        self.port = port

    def command(self) -> list[str]:
        shipped = (ROOT / "ops/prometheus/alertmanager.yml").read_text(encoding="utf-8")
        file = self.directory / "alertmanager.yml"
        file.write_text(shipped.replace("group_wait: 15s", "group_wait: 0s"), encoding="utf-8")
        return [
            self.binary,
            f"--config.file={file}",
            f"--storage.path={self.directory / 'alertmanager'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--cluster.listen-address=",
        ]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self.port, "/-/ready") == OK

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it has been sent and that are not muted."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{self.port}/api/v2/alerts?active=true&inhibited=false") as response,
        ):
            found: list[dict[str, Any]] = await response.json()
            return found


class Prometheus(ManagedProcess):
    """Prometheus. `jobs`: job -> ports. `at_once`: alerts fire without their durations, which have their own tests."""

    def __init__(
        self,
        directory: Path,
        *,
        binary: str,
        port: int,
        jobs: Mapping[str, Sequence[int]],
        alertmanager: Alertmanager,
        at_once: bool = True,
    ) -> None:
        super().__init__("prometheus", directory, {})
        self.binary = binary
        self.port = port
        self.jobs = jobs
        self.alertmanager = alertmanager
        self.at_once = at_once

    def command(self) -> list[str]:
        rules = (ROOT / "ops/prometheus/rules.yml").read_text(encoding="utf-8")
        if self.at_once:
            rules = re.sub(r"\bfor: \w+$", "for: 0s", rules, flags=re.MULTILINE)
        (self.directory / "rules.yml").write_text(rules)
        file = self.directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(self._configuration()), encoding="utf-8")
        return [
            self.binary,
            f"--config.file={file}",
            f"--storage.tsdb.path={self.directory / 'prometheus'}",
            f"--web.listen-address={HOST}:{self.port}",
        ]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self.port, "/-/ready") == OK

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of a query at this moment. Raises AssertionError if it is not valid."""
        return await self._ask("query", {"query": expression})

    async def query_range(self, expression: str, begin: float, step: float) -> list[dict[str, Any]]:
        """The results of a query from `begin`, a Unix time, until now, every `step` seconds."""
        return await self._ask(
            "query_range", {"query": expression, "start": str(begin), "end": str(time.time()), "step": str(step)}
        )

    async def _ask(self, endpoint: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{HOST}:{self.port}/api/v1/{endpoint}", data=fields) as response,
        ):
            answer = await response.json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def _configuration(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": ["rules.yml"],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"{HOST}:{self.alertmanager.port}"]}]}],
            },
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}]}
                for job, ports in self.jobs.items()
            ],
        }
