"""A pair: both sides, running at the same time, and a livekit-server whose rooms nobody answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from livekit import rtc

from ops.caller.caller import caller_token
from ops.caller.milestones import Clock
from ops.stack import Binaries
from ops.stack.livekit import LiveKitServer
from tests.bench.builtin import Builtin
from tests.bench.call import call_once
from tests.bench.ours import Ours
from tests.bench.providers import Providers
from tests.bench.side import Conditions, Side, wait_until_settled
from tests.support.livekit_server import livekit_without_webhooks

WARM_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides; iteration begins with Switchboard's. `bare_server`: the livekit-server without agents."""

    ours: Ours
    builtin: Builtin
    bare_server: LiveKitServer

    def __iter__(self) -> Iterator[Side]:
        yield self.ours
        yield self.builtin

    async def settle(self) -> None:
        """Wait until both sides are idle and the host is quiet: see `tests.bench.side.wait_until_settled`."""
        await wait_until_settled(self)

    async def bare_connect_ms(self) -> float:
        """Measure the time to connect to an empty room: the minimum for any dispatch."""
        token = caller_token(
            self.bare_server.api_key, self.bare_server.api_secret, room=Side.new_room(), identity="caller"
        )
        clock, room = Clock(), rtc.Room()
        await room.connect(self.bare_server.url, token)
        seconds = clock.now()
        await room.disconnect()
        return seconds * 1000


@asynccontextmanager
async def start_pair(binaries: Binaries, directory: Path, conditions: Conditions) -> AsyncIterator[Pair]:
    """Start both sides, with a warm-up call each: the first call of a process is slow. Raises StackError."""
    async with AsyncExitStack() as closing:
        ours = await closing.enter_async_context(Ours.start(binaries, directory / "ours", conditions))
        builtin = await closing.enter_async_context(Builtin.start(binaries, directory / "builtin", conditions))
        bare_server = await closing.enter_async_context(livekit_without_webhooks(binaries, directory / "bare"))
        pair = Pair(ours, builtin, bare_server)
        await pair.bare_connect_ms()
        for side in pair:
            await call_once(side, WARM_SECONDS)
        await pair.settle()
        yield pair


@dataclass(slots=True)
class Pairs:
    """One pair at a time. A figure gets the pair of the figure before it if the conditions are the same."""

    binaries: Binaries
    directory: Path
    load: Path | None = None
    providers: Providers = Providers.LOCAL
    _started: int = 0
    _running: tuple[Conditions, Pair, AsyncExitStack] | None = field(default=None)

    async def get(self, *, shedding: bool = True) -> Pair:
        """Return both sides, idle. Raises StackError or TimeoutError."""
        conditions = Conditions(self.load, shedding, self.providers)
        if self._running is None or self._running[0] != conditions:
            await self.aclose()
            self._started += 1
            closing = AsyncExitStack()
            directory = self.directory / f"pair-{self._started}"
            pair = await closing.enter_async_context(start_pair(self.binaries, directory, conditions))
            self._running = (conditions, pair, closing)
        await self._running[1].settle()
        return self._running[1]

    async def aclose(self) -> None:
        """Stop the running pair."""
        if self._running is not None:
            (_, _, closing), self._running = self._running, None
            await closing.aclose()


async def alternate(pair: Pair, rounds: int) -> AsyncIterator[Side]:
    """Yield both sides alternately, settled each time, so that disturbances of the machine hit both."""
    for _ in range(rounds):
        for side in pair:
            await pair.settle()
            yield side
