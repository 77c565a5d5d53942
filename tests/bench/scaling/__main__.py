"""`python -m tests.bench.scaling`: fill a Redis with open rooms, and say what calls, sweeps and looks cost then."""

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
from tests.bench.scaling.call import Calls, Talk
from tests.bench.scaling.fixture import Installation
from tests.bench.scaling.results import Results, Surge

PARTS = ("call", "line", "sweeps", "looks", "receivers", "standing", "surge")
ROOMS = (100, 1_000, 10_000)
CALLS = 200
LOOKS = 3
BLOCK_MS = 100.0
WEBHOOKS_A_SECOND = 100.0


@click.command()
@click.option("--rooms", multiple=True, type=click.IntRange(4), help=f"So many open rooms; {ROOMS} if not given.")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Only this part; the files keep the others.")
@click.option("--calls", default=CALLS, show_default=True, type=click.IntRange(1), help="Samples of each step.")
@click.option("--seconds", default=5.0, show_default=True, help="For how long loads are held, and idleness is watched.")
@click.option("--most", default=1000.0, show_default=True, help="The highest rate of the surge, in calls a second.")
@click.option("--block-ms", default=BLOCK_MS, show_default=True, help="The longest block by a sweep that is good.")
@click.option("--output", default=Path("build/growth"), show_default=True, type=click.Path(path_type=Path))
def main(
    *,
    rooms: tuple[int, ...],
    only: tuple[str, ...],
    calls: int,
    seconds: float,
    most: float,
    block_ms: float,
    output: Path,
) -> None:
    """Measure, and write growth.md and growth.json. Ends with 1 if a sweep blocks a receiver for too long.

    What it says holds only for a machine that nobody else uses meanwhile; `surge` needs Linux and two cores.
    """
    # Thousands of rooms are lost here on purpose.
    logging.disable(logging.WARNING)
    binaries = Binaries.find(livekit=False)
    # As a receiver does when it starts; a whole collection would be counted for whatever it falls into.
    gc.collect()
    gc.freeze()
    measured = asyncio.run(
        measure(
            binaries,
            rooms or ROOMS,
            [part for part in PARTS if not only or part in only],
            calls=calls,
            seconds=seconds,
            most=most,
        )
    )
    _write(measured, output)
    blocks = [cost.block_ms or 0.0 for costs in measured.sweeps.values() for cost in costs]
    sys.exit(max(blocks, default=0.0) > block_ms)


async def measure(
    binaries: Binaries, rooms: Sequence[int], parts: Sequence[str], *, calls: int, seconds: float, most: float
) -> Results:
    """These parts, with each number of rooms, but for the last two parts: those with the greatest number."""
    found = Results(Machine.here(binaries), Talk())
    async with Installation.start(binaries) as installation:
        for count in rooms:
            click.echo(f"{count} rooms", err=True)
            await _with_rooms(installation, count, parts, found, calls, seconds)
        if "standing" in parts:
            await installation.fill(max(rooms))
            found.standing.extend(await idle.processes(installation, seconds))
        if "surge" not in parts:
            return found
        await installation.fill(max(rooms))
        plan = ramp.Plan(most=most, seconds=seconds)
        levels = await ramp.run(installation, found.talk, plan)
    return Results(found.machine, found.talk, surge=Surge(max(rooms), plan, levels)).after(found)


async def _with_rooms(
    installation: Installation, count: int, parts: Sequence[str], found: Results, calls: int, seconds: float
) -> None:
    if "call" in parts:
        found.filled[count] = await installation.fill(count)
        life = Calls(installation, calls, found.talk)
        found.call[count] = await life.costs()
        found.kept[count] = await life.kept_bytes()
    if "looks" in parts:
        await installation.fill(count)
        found.looks[count] = await idle.looks(installation, LOOKS)
    if "receivers" in parts:
        await installation.fill(count)
        found.receivers[count] = await receivers.measure(installation, calls, rate=WEBHOOKS_A_SECOND, seconds=seconds)
    if "line" in parts:
        found.line[count] = await waitlist.costs(installation, count, calls)
    if "sweeps" in parts:
        found.sweeps[count] = await sweeps.Sweeps(installation, count).costs()


def _write(measured: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    samples = folder / "growth.json"
    with suppress(FileNotFoundError):
        measured = measured.after(Results.from_json(samples.read_text(encoding="utf-8")))
    samples.write_text(measured.to_json(), encoding="utf-8")
    # From the file, so that the document says no more than it does.
    kept = Results.from_json(samples.read_text(encoding="utf-8"))
    (folder / "growth.md").write_text(report.markdown(kept), encoding="utf-8")
    for capacity in forecast.capacities(kept):
        rate = "" if capacity.rate is None else f"{capacity.rate:.0f} calls a second: "
        click.echo(f"{capacity.part}: {rate}{capacity.reason}")
    click.echo(f"written to {folder}")


if __name__ == "__main__":
    main()
