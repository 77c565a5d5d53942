"""`make chaos`: each row of the table several times, at random moments. Exit 1 if a row misses its limit."""

from __future__ import annotations

import asyncio
import random
import secrets
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from ops.stack import Binaries
from tests.chaos import report
from tests.chaos.installation_pool import House
from tests.chaos.row import Row, missed
from tests.chaos.scenario import Chance, Scenario
from tests.chaos.table import SCENARIOS

RESULT = Path("build/chaos.json")
NAMES = [scenario.name for scenario in SCENARIOS]


@click.command(help=__doc__)
@click.option("--runs", default=3, show_default=True, type=click.IntRange(min=1), help="How often each row is run.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Only this row; may be given several times.")
@click.option("--seed", type=int, help="Of the random moments; another one each time if not given.")
@click.option("--brief", is_flag=True, help="The short form of each row, which `make test` runs.")
def main(*, runs: int, only: tuple[str, ...], seed: int | None, brief: bool) -> None:
    console = Console()
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="switchboard-chaos-"))
    console.print(f"--seed {seed}; logs are in {directory}", highlight=False)
    scenarios = [scenario for scenario in SCENARIOS if not only or scenario.name in only]
    binaries = Binaries.find()
    rows = asyncio.run(_run(scenarios, House(binaries, directory), runs, seed, console, brief=brief))
    report.show(rows, console)
    report.write(rows, RESULT)
    sys.exit(missed(rows))


async def _run(
    scenarios: list[Scenario], house: House, runs: int, seed: int, console: Console, *, brief: bool
) -> list[Row]:
    rows = [Row(scenario) for scenario in scenarios]
    try:
        for row in rows:
            for number in range(runs):
                console.print(f"{row.scenario.name}, run {number + 1} of {runs}", highlight=False)
                await row.run(house, Chance(random.Random(f"{seed} {row.scenario.name} {number}"), brief))
    finally:
        await house.aclose()
    return rows


if __name__ == "__main__":
    main()
