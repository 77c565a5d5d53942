"""`make observation`: twenty calls with faults; exit status 1 if a metric, an alert or a panel is not as it must be."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import click

from ops.caller.process_exit import exit_process
from ops.stack import Binaries, Stack, StackOptions
from ops.stack.ports import PortPicker
from tasks.rooms import RoomStore
from tests.acceptance.installation import Installation
from tests.observation import after_calls, report
from tests.observation.after_calls import AfterCalls
from tests.observation.calls import PROMISES, TENANTS, TIERS, WORKERS, Calls
from tests.observation.expected import ALERTS, BACKEND_DISABLED, DONE, NOTICES_NOT_SENT, RECORDS_NOT_WRITTEN, rows
from tests.observation.monitoring import Alert, Monitoring
from tests.support.backend import Backend
from tests.support.waiting import until

OUTPUT = Path("build/observation.md")
LOOK_SECONDS = 5.0
SCRAPES_SECONDS = 5.0
"""For the last scrapes and rules."""
PATIENCE_SECONDS = 600.0
"""The time in which alerts must have fired, and all that waited must be written and sent."""


@click.command(help=__doc__)
@click.option("--output", default=OUTPUT, show_default=True, type=click.Path(dir_okay=False, path_type=Path))
def main(*, output: Path) -> None:
    directory = Path(tempfile.mkdtemp(prefix="switchboard-observation-"))
    click.echo(f"logs are in {directory}")
    page, right = asyncio.run(_run(directory))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")
    click.echo(page)
    exit_process(not right)


async def _run(directory: Path) -> tuple[str, bool]:
    load = directory / "load"
    # What else this machine does must not decide which call is taken.
    load.write_text("0.1")
    async with after_calls.backends() as backends:
        return await _observe(directory, load, backends)


async def _observe(directory: Path, load: Path, backends: tuple[Backend, Backend]) -> tuple[str, bool]:
    ports = PortPicker()
    console_port = ports.pick()
    tenants = directory / "tenants.toml"
    tenants.write_text(TENANTS + after_calls.tables(directory, *backends))
    options = StackOptions(
        directory=directory,
        binaries=Binaries.find(),
        workers=WORKERS,
        tenants=tenants,
        env={
            "SWITCHBOARD_TIERS": TIERS,
            "SWITCHBOARD_TIER_PROMISE_SECONDS": PROMISES,
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_CALL_CORES": "0",
            **after_calls.environment(directory, console_port),
        },
    )
    async with AsyncExitStack() as running:
        stack = await running.enter_async_context(Stack.start(options))
        client = await running.enter_async_context(stack.redis.client())
        beside = await running.enter_async_context(
            AfterCalls.start(stack, backends, console_port=console_port, writer_port=ports.pick())
        )
        monitoring = await running.enter_async_context(Monitoring.start(stack))
        announced: set[str] = set()
        looking = asyncio.create_task(_look(monitoring, announced))
        running.callback(looking.cancel)
        calls = Calls(Installation(stack, RoomStore(client)), directory, click.echo)
        await calls.make()
        await _those_that_come_late(monitoring, beside)
        await asyncio.sleep(SCRAPES_SECONDS)
        found = rows(await monitoring.values(), calls.questions)
        fired = await _fired(monitoring, ALERTS)
        # Its calls are not among the twenty.
        await monitoring.probe.start()
        await asyncio.sleep(SCRAPES_SECONDS)
        empty, panels = await monitoring.empty_panels()
    right = all(row.right for row in found) and fired.keys() == ALERTS and not empty
    return report.markdown(found, fired, frozenset(announced), empty, panels), right


async def _look(monitoring: Monitoring, announced: set[str]) -> None:
    """Note each alert that Alertmanager has had."""
    while True:
        announced |= await monitoring.announced()
        await asyncio.sleep(LOOK_SECONDS)


async def _those_that_come_late(monitoring: Monitoring, beside: AfterCalls) -> None:
    """Start the background worker and the writer when they were missed, and let them do what has waited."""
    click.echo("the background worker, when it was missed")
    await _fired(monitoring, {NOTICES_NOT_SENT})
    await beside.background.start()
    click.echo("the writer of records, when it was missed")
    await _fired(monitoring, {RECORDS_NOT_WRITTEN, BACKEND_DISABLED})
    await beside.writer.start()

    async def all_is_done() -> bool:
        values = await monitoring.values()
        return all(values.get(f"switchboard_{series}") == value for series, value in DONE.items())

    with suppress(TimeoutError):
        await until(all_is_done, PATIENCE_SECONDS, every=1.0)


async def _fired(monitoring: Monitoring, wanted: AbstractSet[Alert]) -> dict[Alert, float]:
    """Return the alerts that have fired, as soon as those that are wanted have, or when that takes too long."""
    now = asyncio.get_running_loop().time
    deadline = now() + PATIENCE_SECONDS
    # Polled: Prometheus tells nobody but Alertmanager.
    while not (fired := await monitoring.fired()).keys() >= wanted and now() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    return fired


if __name__ == "__main__":
    main()
