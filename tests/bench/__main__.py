"""`make bench`: Switchboard and livekit-agents' built-in dispatch, measured side by side in one run.

The exit status is 1 if a goal is missed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import uvloop
from rich.console import Console

from ops.caller.process_exit import exit_process
from ops.stack import Binaries
from tests.bench import chart, report
from tests.bench.machine import Machine
from tests.bench.pair import Pairs
from tests.bench.providers import Providers
from tests.bench.row import Row, any_number, missed
from tests.bench.size import FULL, QUICK, Size
from tests.bench.table import FIGURES

PUBLISHED = Path("docs/benchmarks")
SCRATCH = Path("build/benchmarks")
NAMES = {Providers.CLOUD: "latest", Providers.LOCAL: "local"}
"""The names of a run's files."""


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Fewer samples.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(FIGURES)), help="Measure only this figure; may be repeated."
)
@click.option(
    "--providers",
    type=click.Choice([providers.value for providers in Providers]),
    default=Providers.CLOUD.value,
    show_default=True,
    help="Deepgram, OpenAI and ElevenLabs as emulators, or the local providers.",
)
@click.option(
    "--load",
    type=click.FloatRange(0, 1),
    help="The load that both workers read, instead of the CPU load of their shared host.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help=f"Output folder.  [default: {PUBLISHED}; {SCRATCH} for a partial run]",
)
def main(*, quick: bool, only: tuple[str, ...], providers: str, load: float | None, output: Path | None) -> None:
    console = Console()
    binaries = Binaries.find()
    directory = Path(tempfile.mkdtemp(prefix="switchboard-bench-"))
    console.print(f"logs are in {directory}", highlight=False)
    names = [name for name in FIGURES if not only or name in only]
    load_file = None
    if load is not None:
        load_file = directory / "load"
        load_file.write_text(str(load), encoding="utf-8")
    # uvloop, because all callers run here: the CPU that they use is taken from both sides.
    pairs = Pairs(binaries, directory, load_file, Providers(providers))
    rows = uvloop.run(run(names, pairs, QUICK if quick else FULL, console))
    complete = not quick and not only and load is None
    _write(rows, Machine.this(binaries), pairs.providers, output or (PUBLISHED if complete else SCRATCH), console)
    exit_process(missed(rows))


async def run(names: list[str], pairs: Pairs, size: Size, console: Console) -> list[Row]:
    """Measure the figures. A figure that fails becomes a row with a missed goal."""
    rows: list[Row] = []
    try:
        for name in names:
            console.print(name, highlight=False)
            try:
                measured = await FIGURES[name](pairs, size)
            except Exception as error:  # noqa: BLE001 - a figure that fails must not hide the others
                console.print_exception()
                measured = [Row(f"{name}: {type(error).__name__}", "", None, goal=any_number())]
                await pairs.aclose()
            for row in measured:
                ours, builtin = (report.number(value, row.unit, row.missing) for value in (row.ours, row.builtin))
                console.print(f"  {row.figure}: {ours}, {builtin}", markup=False, highlight=False, soft_wrap=True)
            rows += measured
    finally:
        await pairs.aclose()
    return rows


def _write(rows: list[Row], machine: Machine, providers: Providers, folder: Path, console: Console) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = NAMES[providers]
    chart.draw(rows, folder / f"{name}.png")
    text = report.markdown(rows, machine, providers, chart=f"{name}.png")
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(report.as_json(rows), encoding="utf-8")
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"written to {folder}", highlight=False)


if __name__ == "__main__":
    main()
