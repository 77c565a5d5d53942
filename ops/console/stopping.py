"""The stop of the process, told before uvicorn waits for open connections: a viewer's stream would never end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def when_stopped(action: Callable[[], object]) -> Iterator[None]:
    """Call `action` on the event loop when the process is asked to stop, within the block.

    uvicorn tells an app only when all its connections are closed. Its own handlers of the signals are called, too. In a
    thread other than the main one, which gets no signals, nothing is called.
    """
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(action)
        if callable(before[number]):
            before[number](number, frame)

    try:
        for number in SIGNALS:
            before[number] = signal.getsignal(number)
            signal.signal(number, stop)
    except ValueError:
        before.clear()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
