"""nginx with the configuration that operators use, on free ports."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.stack import environment, probe
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from tests.support.certificates import Certificate

CONFIGURATION = Path(__file__).parents[2] / "ops" / "nginx" / "nginx.conf"


@dataclass(frozen=True)
class Ports:
    """The ports of its servers."""

    webhooks: int
    calls: int
    health: int


class Nginx(ManagedProcess):
    """One nginx with one process beside its main one; it is ready when its own health check answers."""

    def __init__(
        self, directory: Path, env: Mapping[str, str], *, binary: str, ports: Ports, replacements: Mapping[str, str]
    ) -> None:
        super().__init__("nginx", directory, env)
        self._binary = binary
        self._replacements = dict(replacements)
        self.ports = ports

    def command(self) -> list[str]:
        text = CONFIGURATION.read_text(encoding="utf-8")
        for shipped, here in self._replacements.items():
            assert shipped in text, f"{shipped} is no longer in nginx.conf"
            text = text.replace(shipped, here)
        # The rest is about this machine: there is one such process for each core otherwise.
        text = re.sub(r"^worker_processes auto;$", "worker_processes 1;", text, flags=re.MULTILINE)
        file = self.directory / "nginx.conf"
        file.write_text(text, encoding="utf-8")
        return [self._binary, "-p", str(self.directory), "-c", str(file), "-g", "daemon off;"]

    async def is_ready(self) -> bool:
        return await probe.http_status(HOST, self.ports.health, "/healthz") == 200


@asynccontextmanager
async def shipped_nginx(
    directory: Path, picker: PortPicker, receivers: Sequence[int], certificate: Certificate
) -> AsyncIterator[Nginx]:
    """Run nginx before receivers at these ports. Skips where it is not installed, and fails with CI=true."""
    binary = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
    if binary is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("nginx is not installed")
    ports = Ports(picker.pick(), picker.pick(), picker.pick())
    replacements = {
        "listen 8080 ": f"listen {HOST}:{ports.webhooks} ",
        "listen 8443 ": f"listen {HOST}:{ports.calls} ",
        "listen 127.0.0.1:8404;": f"listen {HOST}:{ports.health};",
        "/etc/nginx/tls/calls.pem": str(certificate.certificate),
        "/etc/nginx/tls/calls.key": str(certificate.key),
        "/tmp/nginx": str(directory / "nginx"),  # noqa: S108 - as it stands in the file
        # The longest wait of its tests.
        "client_body_timeout 5s;": "client_body_timeout 1s;",
        **{f"receiver-{number}:8000": f"{HOST}:{port}" for number, port in enumerate(receivers, 1)},
    }
    proxy = Nginx(directory, environment.inherited(), binary=str(binary), ports=ports, replacements=replacements)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
