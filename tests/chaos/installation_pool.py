"""The stages, one at a time: a row gets the stage that the row before it has left, if it is of the kind it needs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from ops.stack import Binaries
from tests.chaos.installation import Stage
from tests.chaos.scenario import Opener


class House:
    """Opens stages below `directory`, where their logs stay."""

    def __init__(self, binaries: Binaries, directory: Path) -> None:
        self._binaries = binaries
        self._directory = directory
        self._opened = 0
        self._open: tuple[Opener, Stage, AsyncExitStack] | None = None

    async def stage(self, opener: Opener) -> Stage:
        """A stage of this kind on which nothing is going on."""
        if self._open is not None and self._open[0] is opener:
            try:
                await self._open[1].mend()
            except (TimeoutError, AssertionError):
                await self.aclose()
        else:
            await self.aclose()
        if self._open is None:
            self._opened += 1
            keeping = AsyncExitStack()
            directory = self._directory / f"stage-{self._opened}"
            self._open = (opener, await keeping.enter_async_context(opener(self._binaries, directory)), keeping)
        return self._open[1]

    async def aclose(self) -> None:
        """Close the stage that is open."""
        if self._open is not None:
            (_, _, keeping), self._open = self._open, None
            await keeping.aclose()
