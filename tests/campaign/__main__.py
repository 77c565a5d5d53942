"""`make campaign`: run random histories of calls and faults. The exit status is 1 if one violates a promise."""

from __future__ import annotations

import asyncio
import logging
import secrets
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import click
from rich.console import Console

from ops.caller.process_exit import exit_process
from ops.stack import Binaries
from tests.campaign import report
from tests.campaign.generator import brief, full, generate
from tests.campaign.history import History
from tests.campaign.installation import start_installation
from tests.campaign.runner import Result, Runner

RESULT = Path("build/campaign.json")
STORIES = Path("build/campaign")


@click.command(help=__doc__)
@click.option("--histories", default=10, show_default=True, type=click.IntRange(min=1), help="Number of histories.")
@click.option("--seed", type=int, help="Seed of the histories.  [default: a new one]")
@click.option("--only", multiple=True, type=int, help="Run only the history with this number; may be repeated.")
@click.option("--without", multiple=True, help="Leave out a room, caller, backend's act or fault of this name.")
@click.option("--brief", "is_brief", is_flag=True, help="Run short histories, as `make test` does.")
@click.option("--plan", "only_plan", is_flag=True, help="Print the plans of the histories, and run nothing.")
@click.option("--slack", default=1.0, show_default=True, help="Factor of all bounds, for a machine with other work.")
def main(
    *,
    histories: int,
    seed: int | None,
    only: tuple[int, ...],
    without: tuple[str, ...],
    is_brief: bool,
    only_plan: bool,
    slack: float,
) -> None:
    console = Console()
    # livekit's client says a lot about connections that are lost, which they are here.
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    shape = brief() if is_brief else full()
    plans = [generate(seed, number, shape).without(without) for number in only or range(histories)]
    if only_plan:
        for plan in plans:
            console.print_json(plan.to_json())
        return
    directory = Path(tempfile.mkdtemp(prefix="switchboard-campaign-"))
    console.print(f"--seed {seed}; logs are in {directory}", highlight=False)
    binaries = Binaries.find()
    results: list[Result] = []
    try:
        asyncio.run(_run(plans, binaries, directory, slack, console, results))
    finally:
        report.show(results, console)
        report.write(results, RESULT)
    exit_process(any(result.violations for result in results))


async def _run(
    plans: list[History], binaries: Binaries, directory: Path, slack: float, console: Console, results: list[Result]
) -> None:
    """Run the histories, on a new installation after each one with violations."""
    left = plans.copy()
    started = 0
    while left:
        started += 1
        async with AsyncExitStack() as closing:
            start = start_installation(binaries, directory / f"installation-{started}", {})
            runner = Runner(await closing.enter_async_context(start), slack=slack)
            while left:
                plan = left.pop(0)
                console.print(f"history {plan.number}: {_summary(plan)}", highlight=False, markup=False)
                result = await runner.run(plan)
                results.append(result)
                for violation in result.violations:
                    console.print(f"    {violation}", highlight=False, markup=False, soft_wrap=True)
                if result.violations:
                    console.print(f"    {_write(result)}", highlight=False, soft_wrap=True)
                    break


def _summary(plan: History) -> str:
    rooms = ", ".join(f"{room.agent} {'/'.join(room.behaviours)}" for room in plan.rooms)
    return f"{rooms}; {', '.join(f'{fault.kind} at {fault.at:.0f} s' for fault in plan.faults)}"


def _write(result: Result) -> Path:
    """Write the story of a history, and return where."""
    file = STORIES / f"{result.history.seed}-{result.history.number}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(result.timeline, encoding="utf-8")
    return file


if __name__ == "__main__":
    main()
