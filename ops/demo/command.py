"""`switchboard demo`, from its options to its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any, Never

from rich.console import Console

from ops.demo import tenants
from ops.demo.call import DemoCall
from ops.demo.link import Invitation
from ops.demo.narrator import Narrator
from ops.demo.options import DemoOptions
from ops.demo.report import report
from ops.demo.result import CallResult
from ops.setup import SetupError, StderrProgress
from ops.stack import Binaries, ExternalLiveKit, Stack, StackError, StackOptions, WorkerSpec
from tasks.rooms import RoomStore

INTERRUPTED = 128 + signal.SIGINT
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DemoError(Exception):
    """The demo cannot run as it was asked to."""


def run(options: DemoOptions) -> int:
    """Run the demo. 0 if each caller heard the right answer, 1 with the reason, 130 if a signal ended it."""
    # With --json, stdout is for the object alone.
    narrator = Narrator(Console(stderr=options.as_json, highlight=False))
    signal.signal(signal.SIGTERM, _terminated)
    try:
        external = _external(options, narrator)
        # Before there is an event loop: the first time this builds a livekit-server, and may take minutes.
        binaries = Binaries.find(StderrProgress(), livekit=external is None)
        return asyncio.run(_run(options, stack_options(options, binaries, external), narrator))
    except (SetupError, StackError, DemoError) as error:
        narrator.say(str(error), style="red")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        narrator.say("everything is stopped")
        return INTERRUPTED


def stack_options(options: DemoOptions, binaries: Binaries, external: ExternalLiveKit | None = None) -> StackOptions:
    """What to start for these options."""
    directory = options.directory or Path(tempfile.mkdtemp(prefix="switchboard-demo-"))
    # A child takes one call and is then replaced, so a slot for each call that comes at once, and one for a guest.
    slots = -(-options.calls // len(tenants.TENANTS)) + options.keep
    return StackOptions(
        directory=directory,
        binaries=binaries,
        workers=tuple(WorkerSpec(tenant.tier, (tenant.tier,), slots=slots) for tenant in tenants.TENANTS),
        tenants=directory / "tenants.toml",
        env={
            # All of this shares one machine with the callers, whose load says nothing about a worker's.
            "SWITCHBOARD_LOAD_THRESHOLD": "1",
            "SWITCHBOARD_CALL_CORES": "0",
            # Nobody comes back here.
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "0.3",
        },
        flower=True,
        webhook_port=options.webhook_port,
        livekit=external,
    )


async def _run(options: DemoOptions, parts: StackOptions, narrator: Narrator) -> int:
    _stop_at_signals(asyncio.current_task(), narrator)
    narrator.say(f"logs and recordings are in {parts.directory}")
    parts.directory.mkdir(parents=True, exist_ok=True)
    tenants.write(parts.directory / "tenants.toml")
    if parts.binaries.haproxy is None:
        narrator.say("HAProxy is not installed, so there is one webhook receiver and not two")
    async with Stack.start(parts, narrator.stack) as stack:
        results = await _call(options.calls, stack, narrator)
        invitation = Invitation.to(stack, tenants.TENANTS[0]) if options.keep else None
        _show(results, stack, invitation, narrator)
        if options.as_json:
            print(json.dumps(as_object(results, stack, invitation)), flush=True)
        if invitation:
            await _stay()
    return 0 if all(result.problem is None for result in results) else 1


async def _call(count: int, stack: Stack, narrator: Narrator) -> list[CallResult]:
    async with stack.redis.client() as redis:
        rooms = RoomStore(redis)
        chosen = [tenants.TENANTS[number % len(tenants.TENANTS)] for number in range(count)]
        calls = [DemoCall(tenant, stack, rooms, narrator) for tenant in chosen]
        try:
            await asyncio.gather(*(call.talk() for call in calls))
            narrator.say("recognising what the callers received")
            # Only now: it takes the processor, which those who were still talking needed.
            await asyncio.gather(*(step for call in calls for step in (call.understand(), call.end())))
        finally:
            await asyncio.gather(*(call.aclose() for call in calls))
    return [call.result for call in calls]


def _show(results: list[CallResult], stack: Stack, invitation: Invitation | None, narrator: Narrator) -> None:
    narrator.console.print("", report(results), "", sep="\n")
    flower = stack.flower
    if flower:
        until = "" if invitation else " (until the demo ends; --keep keeps it)"
        narrator.line(f"Flower: {flower.url}  user {flower.user}  password {flower.password}{until}")
    for result in results:
        if result.recording:
            narrator.line(f"Recording of {result.room}: {result.recording}")
    for result in results:
        if result.problem:
            narrator.line(f"{result.room}: {result.problem}", style="red")
    if invitation:
        narrator.line(f"Join with a browser on this machine:\n{invitation.link}")
        narrator.line(f"or with any LiveKit client: url {invitation.url}  token {invitation.token}")
        narrator.line("Ctrl-C stops everything.")


async def _stay() -> None:
    asked_to_stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    await asked_to_stop.wait()


def _stop_at_signals(demo: asyncio.Task[Any] | None, narrator: Narrator) -> None:
    def stop() -> None:
        narrator.say("stopping")
        if demo:
            # Again at each further signal, which cuts short the grace of whatever is being stopped.
            demo.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)


def as_object(results: list[CallResult], stack: Stack, invitation: Invitation | None) -> dict[str, object]:
    """For `--json`. `join` is there with `--keep`."""
    flower = stack.flower
    return {
        "ok": all(result.problem is None for result in results),
        "calls": [result.as_object() for result in results],
        "flower": {"url": flower.url, "user": flower.user, "password": flower.password} if flower else None,
        "join": invitation.as_object() if invitation else None,
        "directory": str(stack.directory),
    }


def _external(options: DemoOptions, narrator: Narrator) -> ExternalLiveKit | None:
    if options.livekit_url is None:
        if os.environ.get("LIVEKIT_URL"):
            # It may be where real people are called.
            narrator.say("LIVEKIT_URL is set, and not used here; --livekit-url names a server for the demo")
        return None
    key, secret = os.environ.get("LIVEKIT_API_KEY", ""), os.environ.get("LIVEKIT_API_SECRET", "")
    if not key or not secret:
        raise DemoError("--livekit-url needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment.")
    if options.webhook_port is None:
        raise DemoError("--livekit-url needs --webhook-port, the port that this server sends its webhooks to.")
    return ExternalLiveKit(options.livekit_url, key, secret)


def _terminated(_number: int, _frame: FrameType | None) -> Never:
    # As an exception, so that a build that runs is ended on the way out.
    raise KeyboardInterrupt
