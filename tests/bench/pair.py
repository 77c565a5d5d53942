"""Both sides, up at the same time, and a livekit-server where nobody answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from livekit import rtc

from ops.caller.access import caller_token
from ops.caller.clock import Clock
from ops.stack import Binaries
from ops.stack.livekit import LiveKitServer
from tests.bench.builtin import Builtin
from tests.bench.call import answered
from tests.bench.ours import Ours, default_slots
from tests.bench.side import Conditions, Side, calm
from tests.support.livekit_server import quiet_livekit

WARM_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Iterates over the two, ours first."""

    ours: Ours
    builtin: Builtin
    floor: LiveKitServer

    def __iter__(self) -> Iterator[Side]:
        yield self.ours
        yield self.builtin

    async def calm(self) -> None:
        """See `tests.bench.side.calm`."""
        await calm(self)

    async def bare_connect_ms(self) -> float:
        """How long it takes a caller to connect to a room in which nobody is: what no dispatch can do without."""
        token = caller_token(self.floor.api_key, self.floor.api_secret, room=Side.new_room(), identity="caller")
        clock, room = Clock(), rtc.Room()
        await room.connect(self.floor.url, token)
        seconds = clock.now()
        await room.disconnect()
        return seconds * 1000


@asynccontextmanager
async def opened(binaries: Binaries, directory: Path, conditions: Conditions) -> AsyncIterator[Pair]:
    """Both sides, each after a call that does not count: the first one of a process is slow. Raises a StackError."""
    async with AsyncExitStack() as closing:
        ours = await closing.enter_async_context(Ours.opened(binaries, directory / "ours", conditions))
        builtin = await closing.enter_async_context(Builtin.opened(binaries, directory / "builtin", conditions))
        floor = await closing.enter_async_context(quiet_livekit(binaries, directory / "floor"))
        pair = Pair(ours, builtin, floor)
        await pair.bare_connect_ms()
        for side in pair:
            await answered(side, WARM_SECONDS)
        await pair.calm()
        yield pair


@dataclass(slots=True)
class Pairs:
    """One pair at a time: a figure gets the one that the figure before it has left, if the conditions are the same."""

    binaries: Binaries
    directory: Path
    load: Path | None = None
    _opened: int = 0
    _open: tuple[Conditions, Pair, AsyncExitStack] | None = field(default=None)

    async def under(self, *, shedding: bool = True, slots: int | None = None) -> Pair:
        """Both sides, idle; our worker has so many slots, or its default. Raises a StackError, TimeoutError."""
        more = slots if slots is not None and slots > default_slots() else None
        conditions = Conditions(self.load, shedding, more)
        if self._open is None or self._open[0] != conditions:
            await self.aclose()
            self._opened += 1
            keeping = AsyncExitStack()
            directory = self.directory / f"pair-{self._opened}"
            pair = await keeping.enter_async_context(opened(self.binaries, directory, conditions))
            self._open = (conditions, pair, keeping)
        await self._open[1].calm()
        return self._open[1]

    async def aclose(self) -> None:
        """Close the pair that is open."""
        if self._open is not None:
            (_, _, keeping), self._open = self._open, None
            await keeping.aclose()


async def each_in_turn(pair: Pair, rounds: int) -> AsyncIterator[Side]:
    """Ours, built-in, ours, built-in, …: what the machine does meanwhile hits both."""
    for _ in range(rounds):
        for side in pair:
            await pair.calm()
            yield side
