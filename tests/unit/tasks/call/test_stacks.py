"""The place that the log of a stuck call names, for a thread that is held in functions of the test's choice."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.call import stacks

RUNPY = "<frozen runpy>"
ASYNCIO = Path(asyncio.__file__).parent
LIBRARY = str(ASYNCIO.parent / "ssl.py")
AGENT = "/home/agent/agent.py"
AGENTS_EVENTS = "/home/agent/events.py"


def function(file: str, name: str, calls: Callable[[], object]) -> Callable[[], object]:
    """Return a function that looks as if a file had it."""
    names: dict[str, Any] = {"calls": calls}
    exec(compile(f"def {name}():\n    calls()\n", file, "exec"), names)  # noqa: S102
    made: Callable[[], object] = names[name]
    return made


@contextmanager
def held_in(*frames: tuple[str, str]) -> Iterator[int]:
    """Hold a thread in these frames, the outermost first. Yields its ident."""
    lock = threading.Lock()
    lock.acquire()
    call: Callable[[], object] = lock.acquire
    for file, name in reversed(frames):
        call = function(file, name, call)
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    assert thread.ident is not None
    give_up = time.monotonic() + 20
    while (frame := sys._current_frames().get(thread.ident)) is None or frame.f_code.co_name != frames[-1][1]:
        assert time.monotonic() < give_up
    try:
        yield thread.ident
    finally:
        lock.release()
        thread.join(20)


@asynccontextmanager
async def a_task_of_the_agent() -> AsyncIterator[str]:
    """A task that waits. Yields its function's name."""

    async def never_returns() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(never_returns())
    await asyncio.sleep(0)
    yield "(never_returns)"
    task.cancel()


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([(RUNPY, "_run_code"), (LIBRARY, "do_handshake")], f"{LIBRARY}:2 (do_handshake)"),
        ([(RUNPY, "_run_code"), (AGENT, "greet"), (LIBRARY, "do_handshake")], f"{AGENT}:2 (greet)"),
        ([(RUNPY, "_run_code"), (AGENTS_EVENTS, "notify")], f"{AGENTS_EVENTS}:2 (notify)"),
    ],
    ids=["library", "agent", "named-like-asyncio"],
)
async def test_a_busy_thread_is_in_the_agents_code_or_else_in_the_innermost_function(
    frames: list[tuple[str, str]], place: str
) -> None:
    """No call is stuck in what has started Python."""
    async with a_task_of_the_agent():
        with held_in(*frames) as thread:
            assert stacks.take(thread, asyncio.get_running_loop()).where == place


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("selectors.py", "select"),
        ("asyncio/base_events.py", "_run_once"),
        ("asyncio/events.py", "_run"),
        ("asyncio/runners.py", "run"),
    ],
)
async def test_a_thread_between_two_callbacks_is_not_what_is_stuck(file: str, name: str) -> None:
    """Its event loop may be about to choose the next callback when it is looked at."""
    async with a_task_of_the_agent() as waits:
        with held_in((RUNPY, "_run_code"), (str(ASYNCIO.parent / file), name)) as thread:
            assert waits in stacks.take(thread, asyncio.get_running_loop()).where
