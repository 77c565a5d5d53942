"""HAProxy with the configuration that operators use, on free ports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.stack import environment, probe
from ops.stack.binaries import Binaries
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess

CONFIGURATION = Path(__file__).parents[2] / "ops" / "haproxy" / "haproxy.cfg"


@dataclass(frozen=True)
class Ports:
    """The ports of its frontends."""

    webhooks: int
    calls: int
    health: int
    metrics: int


class HAProxy(ManagedProcess):
    """One HAProxy; it is ready when its own health check answers."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, binary: str, ports: Ports) -> None:
        super().__init__("haproxy", directory, env)
        self._binary = binary
        self.ports = ports

    def command(self) -> list[str]:
        return [self._binary, "-db", "-f", str(CONFIGURATION)]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self.ports.health, "/healthz") == 200


@asynccontextmanager
async def shipped_haproxy(
    binaries: Binaries, directory: Path, picker: PortPicker, receivers: Sequence[int], **env: str
) -> AsyncIterator[HAProxy]:
    """Run HAProxy before receivers at these ports. Skips where it is not installed, and fails with CI=true.

    `env`: more of its environment variables. In an address, `{address}` is the one that it has here.
    """
    if binaries.haproxy is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("haproxy is not installed")
    ports = Ports(*(picker.pick() for _ in range(4)))
    settings = environment.inherited() | {
        "HAPROXY_WEBHOOKS": f"{HOST}:{ports.webhooks}",
        "HAPROXY_CALLS": f"{HOST}:{ports.calls}",
        "HAPROXY_HEALTH": f"{HOST}:{ports.health}",
        "HAPROXY_METRICS": f"{HOST}:{ports.metrics}",
        **{f"HAPROXY_RECEIVER_{number}": f"{HOST}:{port}" for number, port in enumerate(receivers, 1)},
    }
    settings |= {name: value.format(address=settings.get(name, "")) for name, value in env.items()}
    proxy = HAProxy(directory, settings, binary=str(binaries.haproxy), ports=ports)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
