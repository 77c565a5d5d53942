"""A livekit-server of the stack's own, on loopback by default. It sends its webhooks to the stack's receivers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200


class LiveKitServer(ManagedProcess):
    """One livekit-server with one API key. `start` writes `webhook_url` into its configuration."""

    stop_seconds = 3.0

    def __init__(  # noqa: PLR0913 - each is one fact about a server
        self,
        directory: Path,
        env: Mapping[str, str],
        *,
        binary: str,
        port: int,
        tcp_port: int,
        udp_port: int,
        webhook_url: str,
        host: str = HOST,
    ) -> None:
        super().__init__("livekit-server", directory, env)
        self.url = f"ws://{host}:{port}"
        self.webhook_url = webhook_url
        self.api_key = "API" + secrets.token_hex(6)
        self.api_secret = secrets.token_urlsafe(32)
        self._binary = binary
        self._port = port
        self._tcp_port = tcp_port
        self._udp_port = udp_port
        self._host = host

    def configuration(self) -> dict[str, object]:
        """Return its configuration. By default it offers no loopback candidates; the `rtc` part changes that."""
        return {
            "port": self._port,
            "bind_addresses": [self._host],
            "rtc": {
                "tcp_port": self._tcp_port,
                "udp_port": self._udp_port,
                "node_ip": self._host,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo", "lo0"]},
                # With several addresses it might send from one that has no route to the participant.
                "ips": {"includes": [f"{self._host}/32"]},
            },
            "keys": {self.api_key: self.api_secret},
            "webhook": {"api_key": self.api_key, "urls": [self.webhook_url]},
            "logging": {"level": "info", "pion_level": "error", "json": True},
        }

    def command(self) -> list[str]:
        """Write the configuration to a private file, as it has the secret, and return the command.

        The file is JSON, which is YAML too.
        """
        config = self.directory / "livekit.yaml"
        config.touch(mode=0o600)
        config.write_text(json.dumps(self.configuration(), indent=2), encoding="utf-8")
        return [self._binary, "--config", str(config)]

    async def is_ready(self) -> bool:
        """Return whether its HTTP port answers 200, which it does when it accepts participants."""
        return await probe.http_status(self._host, self._port, "/") == OK
