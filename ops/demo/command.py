"""The command `switchboard demo`, from its options to its exit status."""

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
from ops.demo.invitation import Invitation
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
    """Raised when the demo cannot run with its options. The message names the cure."""


def run(options: DemoOptions) -> int:
    """Run the demo. Return 0 if each caller heard the right answer, 1 with the reason, 130 if a signal ended it."""
    # With --json, stdout has the object and nothing else.
    narrator = Narrator(Console(stderr=options.as_json, highlight=False))
    signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        external = _external_livekit(options, narrator)
        # Before the event loop starts: the first time this builds a livekit-server, which may take minutes.
        binaries = Binaries.find(StderrProgress(), livekit=external is None)
        return asyncio.run(_run(options, stack_options(options, binaries, external), narrator))
    except (SetupError, StackError, DemoError) as error:
        narrator.say(str(error), style="red")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        narrator.say("everything is stopped")
        return INTERRUPTED


def stack_options(options: DemoOptions, binaries: Binaries, external: ExternalLiveKit | None = None) -> StackOptions:
    """Return the stack to start for these options."""
    directory = options.directory or Path(tempfile.mkdtemp(prefix="switchboard-demo-"))
    # A slot for each simultaneous call of the tier, as a child answers one call and is then replaced; with --keep one
    # more, for a guest.
    slots = -(-options.calls // len(tenants.TENANTS)) + options.keep
    # A guest may call each of them, on the console.
    answered = tenants.TENANTS if options.keep else tenants.TENANTS[: options.calls]
    return StackOptions(
        directory=directory,
        binaries=binaries,
        workers=tuple(WorkerSpec(tenant.tier, (tenant.tier,), slots=slots) for tenant in answered),
        tenants=directory / "tenants.toml",
        env={
            # The callers share this machine, so its load says nothing about the workers.
            "SWITCHBOARD_LOAD_THRESHOLD": "1",
            "SWITCHBOARD_CALL_CORES": "0",
            # No caller of the demo reconnects.
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "0.3",
        },
        flower=True,
        console=True,
        webhook_port=options.webhook_port,
        livekit=external,
    )


async def _run(options: DemoOptions, parts: StackOptions, narrator: Narrator) -> int:
    _stop_on_signals(asyncio.current_task(), narrator)
    narrator.say(f"logs and recordings are in {parts.directory}")
    parts.directory.mkdir(parents=True, exist_ok=True)
    tenants.write(parts.directory / "tenants.toml")
    if parts.binaries.haproxy is None:
        narrator.say("HAProxy is not installed, so there is one webhook receiver and not two")
    async with Stack.start(parts, narrator.stack) as stack:
        results = await _make_calls(options.calls, stack, narrator)
        invitation = Invitation.to(stack, tenants.TENANTS[0]) if options.keep else None
        _print_results(results, stack, invitation, narrator)
        if options.as_json:
            print(json.dumps(as_object(results, stack, invitation)), flush=True)
        if invitation:
            await _wait_for_signal()
    return 0 if all(result.problem is None for result in results) else 1


async def _make_calls(count: int, stack: Stack, narrator: Narrator) -> list[CallResult]:
    async with stack.redis.client() as redis:
        rooms = RoomStore(redis)
        chosen = [tenants.TENANTS[number % len(tenants.TENANTS)] for number in range(count)]
        calls = [DemoCall(tenant, stack, rooms, narrator) for tenant in chosen]
        try:
            await asyncio.gather(*(call.talk() for call in calls))
            narrator.say("recognising what the callers received")
            # After all calls: recognition takes the CPU that calls in progress need.
            await asyncio.gather(*(step for call in calls for step in (call.recognise(), call.end())))
        finally:
            await asyncio.gather(*(call.aclose() for call in calls))
    return [call.result for call in calls]


def _print_results(results: list[CallResult], stack: Stack, invitation: Invitation | None, narrator: Narrator) -> None:
    narrator.console.print("", report(results), "", sep="\n")
    flower, until = stack.flower, "" if invitation else " (until the demo ends; --keep keeps it)"
    if flower:
        narrator.line(f"Flower: {flower.url}  user {flower.user}  password {flower.password}{until}")
    console = stack.console
    if console:
        narrator.line(f"Console: {console.url}  user {console.user}  password {console.password}{until}")
    for result in results:
        if result.recording:
            narrator.line(f"Recording of {result.room}: {result.recording}")
    for result in results:
        if result.problem:
            narrator.line(f"{result.room}: {result.problem}", style="red")
    if invitation:
        if invitation.link:
            narrator.line(f"Try a call with a browser on this machine:\n{invitation.link}")
        narrator.line(f"or with any LiveKit client: url {invitation.url}  token {invitation.token}")
        narrator.line("Ctrl-C stops everything.")


async def _wait_for_signal() -> None:
    stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _stop_on_signals(demo: asyncio.Task[Any] | None, narrator: Narrator) -> None:
    def stop() -> None:
        narrator.say("stopping")
        if demo:
            # A further signal cancels again, which cuts the grace time of the processes short.
            demo.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)


def as_object(results: list[CallResult], stack: Stack, invitation: Invitation | None) -> dict[str, object]:
    """Return the object that `--json` prints. `join` is null without `--keep`."""
    flower, console = stack.flower, stack.console
    return {
        "ok": all(result.problem is None for result in results),
        "calls": [result.as_object() for result in results],
        "flower": {"url": flower.url, "user": flower.user, "password": flower.password} if flower else None,
        "console": ({"url": console.url, "user": console.user, "password": console.password} if console else None),
        "join": invitation.as_object() if invitation else None,
        "directory": str(stack.directory),
    }


def _external_livekit(options: DemoOptions, narrator: Narrator) -> ExternalLiveKit | None:
    if options.livekit_url is None:
        if os.environ.get("LIVEKIT_URL"):
            # That server may have real callers.
            narrator.say("LIVEKIT_URL is set, and not used here; --livekit-url names a server for the demo")
        return None
    key, secret = os.environ.get("LIVEKIT_API_KEY", ""), os.environ.get("LIVEKIT_API_SECRET", "")
    if not key or not secret:
        raise DemoError("--livekit-url needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment.")
    if options.webhook_port is None:
        raise DemoError("--livekit-url needs --webhook-port, the port that this server sends its webhooks to.")
    return ExternalLiveKit(options.livekit_url, key, secret)


def _raise_interrupt(_number: int, _frame: FrameType | None) -> Never:
    # As an exception, so that a running build of livekit-server is ended too.
    raise KeyboardInterrupt
