"""A trial of what each child does before its call, in a process that is thrown away.

It runs in a child because an agent's prewarm may leave threads behind, which do not survive the fork of others.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable

from pipeline.runtime.job_runner import Inference
from pipeline.runtime.prewarm import prewarm_child
from tasks.errors import SwitchboardError
from tasks.livekit_api import LiveKitClient, LiveKitRequestFailed, LiveKitUnreachable
from tasks.settings import Settings
from tasks.worker import death_signal

MOST_BYTES = 2000
STACK_SECONDS = 0.5
"""So long before the deadline the stack of what blocks is written to stderr."""


ROOM = "switchboard-key-check"
"""A name that no room has: the answer shall be short."""
LIVEKIT_SECONDS = 3.0

logger = logging.getLogger("switchboard.tasks.worker")


class TrialFailed(SwitchboardError):
    """The agent {agent!r} cannot be prewarmed, so no call could be answered: {reason}."""


class KeyRefused(SwitchboardError):
    """The LiveKit server at {url} refuses the API key {key!r}. Compare it and its secret with the server's keys."""


def run(settings: Settings, inference: Inference | None) -> None:
    """Prewarm the default agent, and ask the LiveKit server with our key. Raises TrialFailed or KeyRefused."""
    reason = try_in_child(lambda: _prewarm(settings, inference), settings.call.prewarm_seconds)
    if reason is not None:
        raise TrialFailed(agent=settings.call.agent, reason=reason)
    # A server that is away is no reason not to start: its calls wait until it is back.
    refused = KeyRefused(url=settings.livekit.url, key=settings.livekit.api_key)
    if str(refused) in (try_in_child(lambda: asyncio.run(_ask_livekit(settings, refused)), 2 * LIVEKIT_SECONDS) or ""):
        raise refused


def _prewarm(settings: Settings, inference: Inference | None) -> None:
    prewarm_child(settings.call.agent, inference)


async def _ask_livekit(settings: Settings, refused: KeyRefused) -> None:
    try:
        async with LiveKitClient.from_settings(settings.livekit, deadline_seconds=LIVEKIT_SECONDS) as livekit:
            await livekit.list_rooms(ROOM)
    except LiveKitUnreachable as error:
        logger.warning("LiveKit server not reached yet", extra={"url": settings.livekit.url, "cause": error.cause})
    except LiveKitRequestFailed as error:
        if not error.temporary:
            raise refused from None


def try_in_child(action: Callable[[], None], seconds: float) -> str | None:
    """Run the action in a child. Return the reason why it failed, in one line, or None.

    A child that has not finished after so many seconds is killed, with every process of its group.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _run(action, writing, seconds, parent)
    os.close(writing)
    try:
        return _wait(pid, reading, seconds)
    finally:
        os.close(reading)


def _run(action: Callable[[], None], writing: int, seconds: float, parent: int) -> None:
    status = os.EX_SOFTWARE
    try:
        os.setsid()
        death_signal.request(parent)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        if seconds > STACK_SECONDS:
            faulthandler.dump_traceback_later(seconds - STACK_SECONDS)
        action()
        status = os.EX_OK
    except BaseException as error:  # noqa: BLE001 - an agent may raise SystemExit too
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        os.write(writing, reason.encode()[:MOST_BYTES])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(pid: int, reading: int, seconds: float) -> str | None:
    deadline = time.monotonic() + seconds
    reason = b""
    ended = None
    while ended is None and (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([reading], [], [], min(left, 0.05))
        if readable:
            reason += os.read(reading, MOST_BYTES)
        done, ended_with = os.waitpid(pid, os.WNOHANG)
        ended = ended_with if done else None
    with contextlib.suppress(ProcessLookupError):
        # What it has started goes too.
        os.killpg(pid, signal.SIGKILL)
    if ended is None:
        os.waitpid(pid, 0)
        return f"it did not finish within {seconds:g} s"
    if os.WIFSIGNALED(ended):
        return f"its process was killed by {signal.Signals(os.WTERMSIG(ended)).name}"
    if os.WEXITSTATUS(ended) == os.EX_OK:
        return None
    return (reason + os.read(reading, MOST_BYTES)).decode("utf-8", "replace") or "its process exited"
