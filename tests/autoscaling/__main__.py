"""`make autoscaling`: rehearse the chart's autoscaling with a wave of calls. Exit status 1: it has failed a caller."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click

from ops.caller.process_exit import exit_process
from ops.stack import Binaries
from tests.autoscaling import picture, report
from tests.autoscaling.rehearsal import rehearse
from tests.autoscaling.rendered import Installation

OUTPUT = Path("build/autoscaling")


@click.command(help=__doc__)
@click.option("--minutes", default=10.0, show_default=True, type=click.FloatRange(min=1), help="Length of the wave.")
@click.option("--seed", default=7, show_default=True, help="Seed of the lengths of calls.")
@click.option(
    "--output",
    default=OUTPUT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results: docs/benchmarks for the page there.",
)
def main(*, minutes: float, seed: int, output: Path) -> None:
    installation = Installation.read()
    binaries = Binaries.find()
    directory = Path(tempfile.mkdtemp(prefix="switchboard-scaling-"))
    click.echo(f"logs are in {directory}")
    result = asyncio.run(rehearse(binaries, installation, directory, seconds=minutes * 60, seed=seed, say=click.echo))
    result.write(output / "autoscaling.json")
    picture.draw(result, output / "autoscaling.png")
    page = report.markdown(result)
    (output / "autoscaling.md").write_text(page, encoding="utf-8")
    click.echo(page)
    problems = result.problems()
    for problem in problems:
        click.echo(problem, err=True)
    exit_process(bool(problems))


if __name__ == "__main__":
    main()
