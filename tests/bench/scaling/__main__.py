"""`python -m tests.bench.scaling`: fill a Redis with open rooms, and measure costs of calls, sweeps and commands."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from ops.stack import Binaries
from tests.bench.machine import Machine
from tests.bench.scaling import forecast, idle, ramp, receivers, report, sweeps, waitlist
from tests.bench.scaling.call import CallProfile, Calls
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.results import Ramp, Results

PARTS = ("call", "waitlist", "sweeps", "ps", "receivers", "idle", "ramp")
ROOMS = (100, 1_000, 10_000)
CALLS = 200
PS_SAMPLES = 3
BLOCK_MS = 100.0
WEBHOOKS_A_SECOND = 100.0


@click.command()
@click.option("--rooms", multiple=True, type=click.IntRange(4), help=f"Number of open rooms.  [default: {ROOMS}]")
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Measure only this part; the files keep the others."
)
@click.option("--calls", default=CALLS, show_default=True, type=click.IntRange(1), help="Samples of each step.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of each load, and of each idle time.")
@click.option("--highest", default=1000.0, show_default=True, help="The highest rate of the ramp, in calls a second.")
@click.option("--block-ms", default=BLOCK_MS, show_default=True, help="The longest block by a sweep that passes.")
@click.option("--output", default=Path("build/scaling"), show_default=True, type=click.Path(path_type=Path))
def main(
    *,
    rooms: tuple[int, ...],
    only: tuple[str, ...],
    calls: int,
    seconds: float,
    highest: float,
    block_ms: float,
    output: Path,
) -> None:
    """Measure, and write scaling.md and scaling.json. The exit status is 1 if a sweep blocks a receiver for too long.

    The results hold only for a machine without other work. `ramp` needs Linux and two cores.
    """
    # The sweeps lose thousands of rooms on purpose, with a warning for each.
    logging.disable(logging.WARNING)
    binaries = Binaries.find(livekit=False)
    # As a receiver does at its start: a full collection would count for the action that it interrupts.
    gc.collect()
    gc.freeze()
    results = asyncio.run(
        measure(
            binaries,
            rooms or ROOMS,
            [part for part in PARTS if not only or part in only],
            calls=calls,
            seconds=seconds,
            highest=highest,
        )
    )
    _write(results, output)
    blocks = [cost.block_ms or 0.0 for costs in results.sweeps.values() for cost in costs]
    sys.exit(max(blocks, default=0.0) > block_ms)


async def measure(
    binaries: Binaries, rooms: Sequence[int], parts: Sequence[str], *, calls: int, seconds: float, highest: float
) -> Results:
    """Measure these parts with each number of rooms; the last two parts with the highest number only."""
    results = Results(Machine.this(binaries), CallProfile())
    async with Installation.start(binaries) as installation:
        for count in rooms:
            click.echo(f"{count} rooms", err=True)
            await _with_rooms(installation, count, parts, results, calls, seconds)
        if "idle" in parts:
            await installation.fill(max(rooms))
            results.idle.extend(await idle.measure_processes(installation, seconds))
        if "ramp" not in parts:
            return results
        await installation.fill(max(rooms))
        plan = ramp.Plan(highest=highest, seconds=seconds)
        levels = await ramp.run(installation, results.profile, plan)
    return Results(results.machine, results.profile, ramp=Ramp(max(rooms), plan, levels)).merged_with(results)


async def _with_rooms(
    installation: Installation, count: int, parts: Sequence[str], results: Results, calls: int, seconds: float
) -> None:
    if "call" in parts:
        results.room_sizes[count] = await installation.fill(count)
        measured = Calls(installation, calls, results.profile)
        results.call[count] = await measured.costs()
        results.footprints[count] = await measured.footprint()
    if "ps" in parts:
        await installation.fill(count)
        results.ps[count] = await idle.measure_ps(installation, PS_SAMPLES)
    if "receivers" in parts:
        await installation.fill(count)
        results.receivers[count] = await receivers.measure(installation, calls, rate=WEBHOOKS_A_SECOND, seconds=seconds)
    if "waitlist" in parts:
        results.waitlist[count] = await waitlist.costs(installation, count, calls)
    if "sweeps" in parts:
        results.sweeps[count] = await sweeps.Sweeps(installation, count).costs()


def _write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scaling.json"
    with suppress(FileNotFoundError):
        results = results.merged_with(Results.from_json(file.read_text(encoding="utf-8")))
    file.write_text(results.to_json(), encoding="utf-8")
    # From the file, so that the document has the same rounded numbers.
    stored = Results.from_json(file.read_text(encoding="utf-8"))
    (folder / "scaling.md").write_text(report.markdown(stored), encoding="utf-8")
    for capacity in forecast.capacities(stored):
        rate = "" if capacity.rate is None else f"{capacity.rate:.0f} calls a second: "
        click.echo(f"{capacity.part}: {rate}{capacity.reason}")
    click.echo(f"written to {folder}")


if __name__ == "__main__":
    main()
