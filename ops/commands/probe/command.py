"""`switchboard probe`: calls tenants, prints the steps of each call, and with `--every` goes on and serves metrics."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp

from ops.commands.probe.call import ProbeCall
from ops.commands.probe.front_door import FrontDoor, LiveKitDoor, ReceiverDoor
from ops.commands.probe.metrics import ProbeMetrics
from ops.commands.probe.options import ProbeOptions
from ops.commands.probe.result import ProbeResult, Step
from tasks.livekit_api import LiveKitClient
from tasks.settings import LivekitSettings, RedisSettings

STEP_WIDTH = 12


class Prober:
    """Calls tenants, one after another."""

    def __init__(
        self, options: ProbeOptions, door: FrontDoor, livekit: LiveKitClient, redis: RedisSettings, *, as_json: bool
    ) -> None:
        self._options = options
        self._door = door
        self._livekit = livekit
        self._redis = redis
        self._as_json = as_json

    @classmethod
    @asynccontextmanager
    async def open(cls, options: ProbeOptions, *, as_json: bool) -> AsyncIterator[Prober]:
        """Return one with its connections. Raises InvalidSettings, or OSError for the file of the API key."""
        settings, redis = LivekitSettings.read(), RedisSettings.read()
        async with AsyncExitStack() as closing:
            livekit = await closing.enter_async_context(LiveKitClient.from_settings(settings))
            door: FrontDoor = LiveKitDoor(settings, livekit)
            if options.calls_url is not None:
                http = await closing.enter_async_context(aiohttp.ClientSession())
                door = ReceiverDoor(options.calls_url, options.api_key(), http)
            yield cls(options, door, livekit, redis, as_json=as_json)

    async def probe(self, tenant: str) -> ProbeResult:
        """Call one tenant, and print the call."""
        result = ProbeResult(tenant, lambda step, seconds: self._print_step(tenant, step, seconds))
        await ProbeCall(self._options, self._door, self._livekit, self._redis, result).run()
        if self._as_json:
            print(json.dumps(result.as_object(), ensure_ascii=False), flush=True)
        elif result.success:
            print(f"{tenant}: ok", flush=True)
        else:
            print(f"{tenant}: FAILED: {result.problem}", flush=True)
        return result

    def _print_step(self, tenant: str, step: Step, seconds: float) -> None:
        if not self._as_json:
            print(f"{tenant}: {step:<{STEP_WIDTH}} {seconds:6.2f} s", flush=True)


def run(tenants: Sequence[str], options: ProbeOptions, *, every: float | None, port: int, as_json: bool) -> int:
    """Call the tenants, once or every so many seconds. Return the exit status."""
    try:
        if every is None:
            return asyncio.run(_once(tenants, options, as_json=as_json))
        return asyncio.run(_again_and_again(tenants, options, every=every, port=port, as_json=as_json))
    except OSError as error:
        print(f"The probe cannot run: {error.strerror or error} ({error.filename or f'port {port}'}).", file=sys.stderr)
        return 1


async def _once(tenants: Sequence[str], options: ProbeOptions, *, as_json: bool) -> int:
    async def call() -> bool:
        async with Prober.open(options, as_json=as_json) as prober:
            return all([(await prober.probe(tenant)).success for tenant in tenants])

    calling = asyncio.create_task(call())
    _cancel_on_signals(calling)
    try:
        return 0 if await calling else 1
    except asyncio.CancelledError:
        print("stopped; the call was hung up", file=sys.stderr)
        return 1


async def _again_and_again(
    tenants: Sequence[str], options: ProbeOptions, *, every: float, port: int, as_json: bool
) -> int:
    metrics = ProbeMetrics()

    async def call() -> None:
        async with Prober.open(options, as_json=as_json) as prober:
            while True:
                began = time.monotonic()
                for tenant in tenants:
                    metrics.record(await prober.probe(tenant))
                await asyncio.sleep(max(0.0, began + every - time.monotonic()))

    with metrics.serve(port):
        calling = asyncio.create_task(call())
        _cancel_on_signals(calling)
        with suppress(asyncio.CancelledError):
            await calling
    return 0


def _cancel_on_signals(calling: asyncio.Task[bool] | asyncio.Task[None]) -> None:
    """Let a signal to stop hang up and clean up first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, calling.cancel)
