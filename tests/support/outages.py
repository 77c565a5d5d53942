"""A part that is away for a while, and back afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from ops.stack.process import ManagedProcess

P = TypeVar("P", bound=ManagedProcess)


@asynccontextmanager
async def killed(part: P) -> AsyncIterator[P]:
    """It is dead. Who wants it back sooner may start it."""
    part.kill()
    await part.exited()
    yield part
    if not part.running:
        await part.start()


@contextmanager
def paused(part: P) -> Iterator[P]:
    """It keeps its connections and answers nothing."""
    part.pause()
    yield part
    part.resume()
