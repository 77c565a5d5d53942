"""`switchboard probe`: calls tenants, reports each call, and with `--every` goes on, serves metrics and logs."""

from __future__ import annotations

import asyncio
import logging
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
from ops.commands.probe.report import JsonReport, LineReport, LogReport, Report
from ops.commands.probe.result import ProbeResult
from tasks import logs
from tasks.livekit_api import LiveKitClient
from tasks.settings import LivekitSettings, LogSettings, RedisSettings, warn_of_unknown_settings

logger = logging.getLogger("switchboard.ops.probe")


class Prober:
    """Calls tenants, one after another."""

    def __init__(
        self, options: ProbeOptions, door: FrontDoor, livekit: LiveKitClient, redis: RedisSettings, report: Report
    ) -> None:
        self._options = options
        self._door = door
        self._livekit = livekit
        self._redis = redis
        self._report = report

    @classmethod
    @asynccontextmanager
    async def open(cls, options: ProbeOptions, report: Report) -> AsyncIterator[Prober]:
        """Return one with its connections. Raises InvalidSettings, or OSError for the file of the API key."""
        settings, redis = LivekitSettings.read(), RedisSettings.read()
        async with AsyncExitStack() as closing:
            livekit = await closing.enter_async_context(LiveKitClient.from_settings(settings))
            door: FrontDoor = LiveKitDoor(settings, livekit)
            if options.calls_url is not None:
                http = await closing.enter_async_context(aiohttp.ClientSession())
                door = ReceiverDoor(options.calls_url, options.api_key(), http)
            yield cls(options, door, livekit, redis, report)

    async def probe(self, tenant: str) -> ProbeResult:
        """Call one tenant, and report the call."""
        result = ProbeResult(tenant, lambda step, seconds: self._report.step(tenant, step, seconds))
        await ProbeCall(self._options, self._door, self._livekit, self._redis, result).run()
        self._report.end(result)
        return result


def run(tenants: Sequence[str], options: ProbeOptions, *, every: float | None, port: int, as_json: bool) -> int:
    """Call the tenants, once or every so many seconds. Return the exit status.

    `every`: a service then, which logs as all others do, whatever `as_json` is.
    """
    try:
        if every is None:
            return asyncio.run(_once(tenants, options, JsonReport() if as_json else LineReport()))
        logs.set_up(LogSettings.read().level, process="probe")
        warn_of_unknown_settings(logger)
        return asyncio.run(_again_and_again(tenants, options, every=every, port=port))
    except OSError as error:
        print(f"The probe cannot run: {error.strerror or error} ({error.filename or f'port {port}'}).", file=sys.stderr)
        return 1


async def _once(tenants: Sequence[str], options: ProbeOptions, report: Report) -> int:
    async def call() -> bool:
        async with Prober.open(options, report) as prober:
            return all([(await prober.probe(tenant)).success for tenant in tenants])

    calling = asyncio.create_task(call())
    _cancel_on_signals(calling)
    try:
        return 0 if await calling else 1
    except asyncio.CancelledError:
        print("stopped; the call was hung up", file=sys.stderr)
        return 1


async def _again_and_again(tenants: Sequence[str], options: ProbeOptions, *, every: float, port: int) -> int:
    metrics = ProbeMetrics()

    async def call() -> None:
        async with Prober.open(options, LogReport(metrics)) as prober:
            while True:
                began = time.monotonic()
                for tenant in tenants:
                    await prober.probe(tenant)
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
