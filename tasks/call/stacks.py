"""The stacks of a call's thread and of its asyncio tasks, for the log of a call that is stuck."""

from __future__ import annotations

import asyncio
import selectors
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import CoroutineType, FrameType, GeneratorType
from typing import Any

import pipeline
import tasks

_NOT_THE_AGENTS = (
    *(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(str(Path(package.__path__[0]).resolve()) for package in (pipeline, tasks)),
)
_EVENT_LOOP = {
    module.__file__
    for module in (asyncio.base_events, asyncio.events, asyncio.runners, asyncio.selector_events, selectors)
}
"""The files in which the event loop waits for the next callback, chooses it, and begins it."""
MOST_PLACES = 3


@dataclass(frozen=True, slots=True)
class Stacks:
    """Stacks as text. `where`: file, line and function of the code that may be stuck, the agent's if it has any."""

    where: str
    text: str


def take(thread: int, loop: asyncio.AbstractEventLoop) -> Stacks:
    """Return the stacks of a thread, by its `threading.get_ident`, and of the tasks of the event loop that it runs.

    Called from another thread. What is stuck is the thread itself, if it is in anybody's code but the event loop's;
    else some of the tasks, and rather those that wait in code which is not installed as a package.
    """
    current = getattr(sys, "_current_frames")().get(thread)  # noqa: B009
    running = _frames(current)
    waiting = [_awaited(task.get_coro()) for task in asyncio.all_tasks(loop)]
    parts = ["thread:\n", *traceback.format_list(traceback.StackSummary.from_list(_summaries(running)))]
    for frames in waiting:
        parts += ["task:\n", *traceback.format_list(traceback.StackSummary.from_list(_summaries(frames)))]
    suspects = [frames for frames in ([running] if _is_busy(running) else waiting) if frames]
    own = [frames for frames in suspects if any(_is_own(frame) for frame in frames)]
    places = sorted({_place(frames) for frames in own or suspects})
    return Stacks(where=", ".join(places[:MOST_PLACES]) or "unknown", text="".join(parts))


def _frames(innermost: FrameType | None) -> list[FrameType]:
    frames = []
    while innermost is not None:
        frames.append(innermost)
        innermost = innermost.f_back
    return frames[::-1]


def _awaited(coroutine: Any) -> list[FrameType]:
    """Return the frames of a suspended coroutine and of those that it waits for, the innermost last."""
    frames = []
    while coroutine is not None:
        if isinstance(coroutine, CoroutineType):
            frame, coroutine = coroutine.cr_frame, coroutine.cr_await
        elif isinstance(coroutine, GeneratorType):
            frame, coroutine = coroutine.gi_frame, coroutine.gi_yieldfrom
        else:
            break
        if frame is not None:
            frames.append(frame)
    return frames


def _is_busy(frames: list[FrameType]) -> bool:
    """Tell whether a thread that runs an event loop is in a callback of it, and not on its way to the next one."""
    return bool(frames) and frames[-1].f_code.co_filename not in _EVENT_LOOP


def _is_own(frame: FrameType) -> bool:
    """Tell whether a frame is of code that is not installed: the agent's, most likely."""
    file = frame.f_code.co_filename
    # As "<frozen runpy>", at the bottom of all that runs under `python -m`.
    return not file.startswith("<") and not str(Path(file).resolve()).startswith(_NOT_THE_AGENTS)


def _place(frames: list[FrameType]) -> str:
    frame = next((frame for frame in reversed(frames) if _is_own(frame)), frames[-1])
    return f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"


def _summaries(frames: list[FrameType]) -> list[traceback.FrameSummary]:
    return [traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name) for frame in frames]
