"""The CPU that tracing costs a call: pairs of calls at the same time, one on a worker that exports its spans.

`python -m tests.bench.tracing --pairs 6 --seconds 30`. Both callers say the same at the same times. The collector is in
this process, so its own cost is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.caller.caller import Caller
from ops.caller.recording import Samples
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.rooms import RoomStore
from tests.acceptance.installation import Installation
from tests.acceptance.speech import utterance
from tests.support.otlp_sink import OtlpSink, otlp_sink

TENANTS = '[tenants.traced]\ntier = "premium"\n[tenants.plain]\ntier = "standard"\n'
QUESTIONS = ("what are your opening hours", "where are you", "are you open on the weekend")
HEARD_SECONDS = 30.0
PAUSE_SECONDS = 8.0


@dataclass(frozen=True)
class Pair:
    """CPU seconds of the children of two calls, over the same time."""

    traced: float
    plain: float


async def measure(pairs: int, seconds: float, directory: Path) -> tuple[list[Pair], OtlpSink]:
    """Run the pairs, one after the other."""
    (directory / "tenants.toml").write_text(TENANTS)
    (directory / "load").write_text("0")
    with otlp_sink() as sink:
        options = StackOptions(
            directory=directory,
            binaries=Binaries.find(),
            receivers=1,
            workers=(
                WorkerSpec("traced", ("premium",), env={"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}),
                WorkerSpec("plain", ("standard",)),
            ),
            tenants=directory / "tenants.toml",
            env={"SWITCHBOARD_LOAD_FILE": str(directory / "load"), "SWITCHBOARD_CALL_CORES": "0"},
        )
        async with Stack.start(options) as stack, stack.redis.client() as client:
            installation = Installation(stack, RoomStore(client))
            found = [await _pair(installation, seconds) for _ in range(pairs)]
        return found, sink


async def _pair(installation: Installation, seconds: float) -> Pair:
    speech = [utterance(question) for question in QUESTIONS]
    traced, plain = await asyncio.gather(
        *(_cpu_of_a_call(installation, tenant, seconds, speech) for tenant in ("traced", "plain"))
    )
    await installation.all_calls_over()
    return Pair(traced, plain)


async def _cpu_of_a_call(installation: Installation, tenant: str, seconds: float, speech: list[Samples]) -> float:
    async with installation.call(tenant) as caller:
        await caller.listener.wait_for_sound(0, HEARD_SECONDS)
        room = await installation.reaches(caller.room_sid, lambda room: "first_audio" in room.steps_ms)
        assert room.pid is not None
        talking = asyncio.create_task(_talk(caller, speech))
        await asyncio.sleep(seconds)
        talking.cancel()
        times = psutil.Process(room.pid).cpu_times()
        return times.user + times.system


async def _talk(caller: Caller, speech: list[Samples]) -> None:
    while True:
        for samples in speech:
            await caller.say(samples)
            await asyncio.sleep(PAUSE_SECONDS)


def main() -> None:
    """Measure, and print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="switchboard-tracing-") as directory:
        pairs, sink = asyncio.run(measure(given.pairs, given.seconds, Path(directory)))
    traced, plain = ([getattr(pair, name) for pair in pairs] for name in ("traced", "plain"))
    results = {
        "pairs": [[round(pair.traced, 2), round(pair.plain, 2)] for pair in pairs],
        "traced_cpu_seconds": round(statistics.median(traced), 3),
        "plain_cpu_seconds": round(statistics.median(plain), 3),
        "median_of_ratios": round(statistics.median(a / b for a, b in zip(traced, plain, strict=True)), 4),
        "ratio_of_sums": round(sum(traced) / sum(plain), 4),
        "spans_for_each_call": round(len(sink.spans) / len(pairs)),
        "requests_for_each_call": round(sink.requests / len(pairs), 1),
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
