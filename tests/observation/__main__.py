"""`make observation`: twenty calls with faults; exit status 1 if a metric, an alert or a panel is not as it must be."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import click

from ops.stack import Binaries, Stack, StackOptions
from tasks.rooms import RoomStore
from tests.acceptance.installation import Installation
from tests.observation import report
from tests.observation.calls import PROMISES, TENANTS, TIERS, WORKERS, Calls
from tests.observation.expected import ALERTS, rows
from tests.observation.monitoring import Alert, Monitoring

OUTPUT = Path("build/observation.md")
LOOK_SECONDS = 5.0
SCRAPES_SECONDS = 5.0
"""For the last scrapes and rules."""
PATIENCE_SECONDS = 180.0
"""The time in which the last alerts must have fired."""


@click.command(help=__doc__)
@click.option("--output", default=OUTPUT, show_default=True, type=click.Path(dir_okay=False, path_type=Path))
def main(*, output: Path) -> None:
    directory = Path(tempfile.mkdtemp(prefix="switchboard-observation-"))
    click.echo(f"logs are in {directory}")
    page, right = asyncio.run(_run(directory))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")
    click.echo(page)
    sys.exit(not right)


async def _run(directory: Path) -> tuple[str, bool]:
    tenants, load = directory / "tenants.toml", directory / "load"
    tenants.write_text(TENANTS)
    # What else this machine does must not decide which call is taken.
    load.write_text("0.1")
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
        },
    )
    async with AsyncExitStack() as running:
        stack = await running.enter_async_context(Stack.start(options))
        client = await running.enter_async_context(stack.redis.client())
        monitoring = await running.enter_async_context(Monitoring.start(stack))
        announced: set[str] = set()
        looking = asyncio.create_task(_look(monitoring, announced))
        running.callback(looking.cancel)
        calls = Calls(Installation(stack, RoomStore(client)), directory, click.echo)
        await calls.make()
        await asyncio.sleep(SCRAPES_SECONDS)
        found = rows(await monitoring.values(), calls.questions)
        fired = await _all_fired(monitoring)
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


async def _all_fired(monitoring: Monitoring) -> dict[Alert, float]:
    now = asyncio.get_running_loop().time
    deadline = now() + PATIENCE_SECONDS
    # Polled: Prometheus tells nobody but Alertmanager.
    while not (fired := await monitoring.fired()).keys() >= ALERTS and now() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    return fired


if __name__ == "__main__":
    main()
