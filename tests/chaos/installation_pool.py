"""A pool of one installation: a scenario gets that of the scenario before it if it needs the same kind."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from ops.stack import Binaries
from tests.chaos.installation import ChaosInstallation
from tests.chaos.scenario import StartInstallation


class InstallationPool:
    """A pool of one installation. Logs stay below `directory`."""

    def __init__(self, binaries: Binaries, directory: Path) -> None:
        self._binaries = binaries
        self._directory = directory
        self._started = 0
        self._running: tuple[StartInstallation, ChaosInstallation, AsyncExitStack] | None = None

    async def get(self, start: StartInstallation) -> ChaosInstallation:
        """Return an idle installation of this kind."""
        if self._running is not None and self._running[0] is start:
            try:
                await self._running[1].repair()
            except (TimeoutError, AssertionError):
                await self.aclose()
        else:
            await self.aclose()
        if self._running is None:
            self._started += 1
            closing = AsyncExitStack()
            directory = self._directory / f"installation-{self._started}"
            self._running = (start, await closing.enter_async_context(start(self._binaries, directory)), closing)
        return self._running[1]

    async def aclose(self) -> None:
        """Stop the running installation."""
        if self._running is not None:
            (_, _, closing), self._running = self._running, None
            await closing.aclose()
