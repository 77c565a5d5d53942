"""Run calls in which each provider fails in each way, with and without a fallback."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from ops.caller.process_exit import exit_process
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.rooms import RoomStore
from tests.acceptance.installation import Installation
from tests.provider_faults import report
from tests.provider_faults.case import CASES, Case
from tests.provider_faults.scenario import CaseResult, run_case

RESULT = Path("build")
NAMES = [case.name for case in CASES]


@click.command(help=__doc__)
@click.option("--only", multiple=True, help="Only rows whose name begins with this, such as `tts` or `llm-cut`.")
@click.option("--at-once", default=2, show_default=True, type=click.IntRange(min=1), help="Calls at the same time.")
def main(*, only: tuple[str, ...], at_once: int) -> None:
    cases = [case for case in CASES if not only or case.name.startswith(only)]
    directory = Path(tempfile.mkdtemp(prefix="switchboard-faults-"))
    rows = asyncio.run(_run(cases, directory, at_once))
    report.write(rows, RESULT)
    sys.stdout.write(f"{report.markdown(rows)}\nLogs are in {directory}\n")
    exit_process(0)


async def _run(cases: list[Case], directory: Path, at_once: int) -> list[CaseResult]:
    load = directory / "load"
    load.write_text("0.1")
    options = StackOptions(
        directory=directory,
        binaries=Binaries.find(),
        workers=(WorkerSpec("premium", ("premium",), slots=2 * at_once),),
        env={
            "SWITCHBOARD_TIERS": "premium",
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": "1",
            "SWITCHBOARD_JOIN_TIMEOUT_SECONDS": "5",
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_CALL_CORES": "0",
            "SWITCHBOARD_PRELOAD_EXTRAS": "anthropic,cartesia",
        },
    )
    limit = asyncio.Semaphore(at_once)
    async with Stack.start(options) as stack, stack.redis.client() as client:
        installation = Installation(stack, RoomStore(client))

        async def one(case: Case) -> CaseResult:
            async with limit:
                result = await run_case(installation, case, directory / "keys")
                sys.stderr.write(f"{report.markdown([result]).splitlines()[-1]}\n")
                return result

        return await asyncio.gather(*(one(case) for case in cases))


if __name__ == "__main__":
    main()
