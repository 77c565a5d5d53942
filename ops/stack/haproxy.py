"""HAProxy in front of the receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.stack import probe
from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess

OK = 200

HEAD = """\
global
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 15s
    timeout server 15s
    option httplog
    option redispatch
    # A receiver that died between two checks costs no webhook: the request goes to the other one.
    retries 2
    retry-on conn-failure empty-response
"""


class HAProxy(ManagedProcess):
    """The load balancer that livekit-server sends its webhooks to."""

    def __init__(
        self, directory: Path, env: Mapping[str, str], *, binary: str, port: int, receivers: Sequence[int]
    ) -> None:
        super().__init__("haproxy", directory, env)
        self.port = port
        self._binary = binary
        self._receivers = tuple(receivers)

    def configuration(self) -> str:
        """Return its configuration: round robin over the ready receivers, checked every half second."""
        servers = "".join(
            f"    server receiver-{number} {HOST}:{port} check inter 500ms fall 2 rise 1\n"
            for number, port in enumerate(self._receivers, start=1)
        )
        return (
            f"{HEAD}frontend webhooks\n    bind {HOST}:{self.port}\n    default_backend receivers\n"
            f"backend receivers\n    balance roundrobin\n    option httpchk GET /readyz\n{servers}"
        )

    def command(self) -> list[str]:
        """Write the configuration, and return the command: in the foreground, as one process."""
        config = self.directory / "haproxy.cfg"
        config.write_text(self.configuration(), encoding="utf-8")
        return [self._binary, "-db", "-f", str(config)]

    async def is_ready(self) -> bool:
        """Return whether a receiver answers through it."""
        return await probe.http_status(HOST, self.port, "/readyz") == OK
