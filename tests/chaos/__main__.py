"""`make chaos`: run each scenario several times, at random times. The exit status is 1 if one misses its limit."""

from __future__ import annotations

import asyncio
import random
import secrets
import tempfile
from pathlib import Path

import click
from rich.console import Console

from ops.caller.process_exit import exit_process
from ops.stack import Binaries
from tests.chaos import report
from tests.chaos.installation_pool import InstallationPool
from tests.chaos.row import Row, missed
from tests.chaos.scenario import Scenario, Variation
from tests.chaos.table import SCENARIOS

RESULT = Path("build/chaos.json")
NAMES = [scenario.name for scenario in SCENARIOS]


@click.command(help=__doc__)
@click.option("--runs", default=3, show_default=True, type=click.IntRange(min=1), help="Runs of each scenario.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Run only this scenario; may be repeated.")
@click.option("--seed", type=int, help="Seed of the random times.  [default: a new one]")
@click.option("--brief", is_flag=True, help="Run the short form of each scenario, as `make test` does.")
def main(*, runs: int, only: tuple[str, ...], seed: int | None, brief: bool) -> None:
    console = Console()
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="switchboard-chaos-"))
    console.print(f"--seed {seed}; logs are in {directory}", highlight=False)
    scenarios = [scenario for scenario in SCENARIOS if not only or scenario.name in only]
    binaries = Binaries.find()
    rows = asyncio.run(_run(scenarios, InstallationPool(binaries, directory), runs, seed, console, brief=brief))
    report.show(rows, console)
    report.write(rows, RESULT)
    exit_process(missed(rows))


async def _run(
    scenarios: list[Scenario], pool: InstallationPool, runs: int, seed: int, console: Console, *, brief: bool
) -> list[Row]:
    rows = [Row(scenario) for scenario in scenarios]
    try:
        for row in rows:
            for number in range(runs):
                console.print(f"{row.scenario.name}, run {number + 1} of {runs}", highlight=False)
                await row.run(pool, Variation(random.Random(f"{seed} {row.scenario.name} {number}"), brief))
    finally:
        await pool.aclose()
    return rows


if __name__ == "__main__":
    main()
