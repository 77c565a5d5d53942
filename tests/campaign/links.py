"""The proxy as a part of the stack, and its control."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.stack.ports import HOST
from ops.stack.process import ManagedProcess
from tests.campaign.proxy import LinkPlan, Mode, ProxyPlan


class Links(ManagedProcess):
    """The links between the parts of an installation, by name."""

    def __init__(
        self, directory: Path, env: Mapping[str, str], *, control_port: int, links: Sequence[LinkPlan]
    ) -> None:
        super().__init__("links", directory, env)
        self.names = [link.name for link in links]
        self._plan = ProxyPlan(control_port, tuple(links))

    def command(self) -> list[str]:
        """Write the plan, and return the command."""
        file = self.directory / "links.json"
        file.write_text(self._plan.to_json(), encoding="utf-8")
        return [sys.executable, "-m", "tests.campaign.proxy", str(file)]

    async def is_ready(self) -> bool:
        """Return whether the control port accepts connections, which it does after all links do."""
        _, writer = await asyncio.open_connection(HOST, self._plan.control_port)
        writer.close()
        return True

    async def set(self, link: str, mode: Mode, *, seconds: float = 0.0, error: str = "") -> None:
        """Set the mode of a link, and return when it has it."""
        reader, writer = await asyncio.open_connection(HOST, self._plan.control_port)
        try:
            wanted = {"link": link, "mode": mode, "seconds": seconds, "error": error}
            writer.write(json.dumps(wanted).encode() + b"\n")
            await reader.readline()
        finally:
            writer.close()

    async def open_all(self) -> None:
        """Open all links."""
        for link in self.names:
            await self.set(link, "open")
