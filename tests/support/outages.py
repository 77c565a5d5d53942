"""Outages of a part of the stack, which is running again afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from ops.stack.process import ManagedProcess

P = TypeVar("P", bound=ManagedProcess)


@asynccontextmanager
async def killed(part: P) -> AsyncIterator[P]:
    """Kill the part, and start it again at the end of the block if the block has not."""
    part.kill()
    await part.exited()
    yield part
    if not part.running:
        await part.start()


@contextmanager
def paused(part: P) -> Iterator[P]:
    """Pause the part: it keeps its connections and answers nothing."""
    part.pause()
    yield part
    part.resume()
