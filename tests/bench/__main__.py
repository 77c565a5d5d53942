"""`make bench`: Switchboard and livekit-agents' built-in dispatch, measured side by side in one run.

Exit 1 if a goal is missed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import uvloop
from rich.console import Console

from ops.stack import Binaries
from tests.bench import chart, report
from tests.bench.machine import Machine
from tests.bench.pair import Pairs
from tests.bench.row import Row, measured, missed
from tests.bench.size import FULL, QUICK, Size
from tests.bench.table import FIGURES

PUBLISHED = Path("docs/benchmarks")
SCRATCH = Path("build/benchmarks")


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Fewer calls of each: about 5 minutes.")
@click.option("--only", multiple=True, type=click.Choice(list(FIGURES)), help="Only this; may be given several times.")
@click.option("--load", type=click.FloatRange(0, 1), help="What both workers take for their host's load: it is shared.")
@click.option("--output", type=click.Path(path_type=Path), help=f"{PUBLISHED}; {SCRATCH} if not all was measured.")
def main(*, quick: bool, only: tuple[str, ...], load: float | None, output: Path | None) -> None:
    console = Console()
    binaries = Binaries.find()
    directory = Path(tempfile.mkdtemp(prefix="switchboard-bench-"))
    console.print(f"logs are in {directory}", highlight=False)
    chosen = [name for name in FIGURES if not only or name in only]
    told = None
    if load is not None:
        told = directory / "load"
        told.write_text(str(load), encoding="utf-8")
    # All callers are here, and what they use is missing to both sides.
    rows = uvloop.run(run(chosen, Pairs(binaries, directory, told), QUICK if quick else FULL, console))
    whole = not quick and not only and load is None
    _write(rows, Machine.here(binaries), output or (PUBLISHED if whole else SCRATCH), console)
    sys.exit(missed(rows))


async def run(chosen: list[str], pairs: Pairs, size: Size, console: Console) -> list[Row]:
    """Measure the figures. One that breaks off is a row whose goal is missed."""
    rows: list[Row] = []
    try:
        for name in chosen:
            console.print(name, highlight=False)
            try:
                found = await FIGURES[name](pairs, size)
            except Exception as error:  # noqa: BLE001 - one that breaks off must not hide what the others find
                console.print_exception()
                found = [Row(f"{name}: {type(error).__name__}", "", None, goal=measured())]
                await pairs.aclose()
            for row in found:
                ours, builtin = (report.number(value, row.unit, row.missing) for value in (row.ours, row.builtin))
                console.print(f"  {row.figure}: {ours}, {builtin}", markup=False, highlight=False, soft_wrap=True)
            rows += found
    finally:
        await pairs.aclose()
    return rows


def _write(rows: list[Row], machine: Machine, folder: Path, console: Console) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chart.draw(rows, folder / "latest.png")
    text = report.markdown(rows, machine, chart="latest.png")
    (folder / "latest.md").write_text(text, encoding="utf-8")
    (folder / "latest.json").write_text(report.as_json(rows), encoding="utf-8")
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"written to {folder}", highlight=False)


if __name__ == "__main__":
    main()
