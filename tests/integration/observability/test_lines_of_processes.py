"""The log of each process that runs beside receivers and workers: one format, whatever writes into it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ops.stack import Binaries, environment
from ops.stack.background import BackgroundWorker
from ops.stack.console import Console
from ops.stack.exporter import Exporter
from ops.stack.ports import HOST, PortPicker
from ops.stack.process import ManagedProcess
from ops.stack.records import RecordWriterProcess
from ops.stack.redis import RedisServer
from tests.support.probe import Probe
from tests.support.waiting import until
from tests.unit.conventions.source_tree import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMON = {"at", "level", "logger", "message", "process", "process_id"}
PROCESSES = {
    "exporter": "exporter",
    "records": "writer",
    "console": "console",
    "background": "background worker",
    "probe": "probe",
}
"""The name of each process here, and in its lines."""
NOISE = (
    ("py.warnings", "WARNING", "noise: a warning"),
    ("stdout", "INFO", "noise: printed"),
    ("stderr", "WARNING", "noise: printed to stderr"),
    ("a.library", "WARNING", "noise: a library warns"),
    ("a.library", "ERROR", "noise: a library fails"),
    ("switchboard.uncaught", "CRITICAL", "uncaught exception in a thread"),
)
LAST = "uncaught exception in a thread"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logs(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """What each process has written, by its name. There is no LiveKit server, which has the probe fail."""
    folder = tmp_path_factory.mktemp("processes")
    ports = PortPicker()
    redis = RedisServer(folder, environment.inherited(()), binary=str(binaries.redis), port=ports.pick())
    env = environment.inherited((Path(__file__).parent / "noise", ROOT)) | {
        "REDIS_URL": redis.url,
        "LIVEKIT_URL": f"ws://{HOST}:{ports.pick()}",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "secret-of-more-than-thirty-two-bytes",
        "SWITCHBOARD_DATABASE_URL": f"sqlite:///{folder / 'records.db'}",
        "SWITCHBOARD_MISPELT": "1",
    }
    processes: list[ManagedProcess] = [
        Exporter(folder, env, port=ports.pick()),
        RecordWriterProcess(folder, env, port=ports.pick()),
        Console(folder, env, port=ports.pick()),
        BackgroundWorker(folder, env),
        Probe(folder, env, port=ports.pick()),
    ]
    async with AsyncExitStack() as running:
        running.push_async_callback(redis.stop)
        await redis.start()
        for process in processes:
            running.push_async_callback(process.stop)
        await asyncio.gather(*(process.start() for process in processes))

        async def all_are_noisy() -> bool:
            return all(LAST in process.log.read_text(encoding="utf-8") for process in processes)

        await until(all_are_noisy)
    yield {process.name: process.log.read_text(encoding="utf-8") for process in processes}


def lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize("name", PROCESSES)
async def test_every_line_is_json_with_the_common_fields(name: str, logs: dict[str, str]) -> None:
    for text in logs[name].splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            raise AssertionError(f"not JSON: {text}") from None
        assert line.keys() >= COMMON, text
        assert line["process"] == PROCESSES[name], text


@pytest.mark.parametrize("name", PROCESSES)
async def test_warnings_prints_libraries_and_crashes_are_lines_of_the_log(name: str, logs: dict[str, str]) -> None:
    for logger, level, message in NOISE:
        (line,) = (line for line in lines(logs[name]) if line["logger"] == logger and message_of(line, message))
        assert line["level"] == level
        if level in {"ERROR", "CRITICAL"}:
            assert line["error"].startswith("Traceback")


@pytest.mark.parametrize("name", [name for name in PROCESSES if name != "background"])
async def test_a_misspelt_setting_is_a_line_of_the_log(name: str, logs: dict[str, str]) -> None:
    (line,) = (line for line in lines(logs[name]) if line["message"] == "unknown setting")
    assert "SWITCHBOARD_MISPELT" in line["problem"]


def message_of(line: dict[str, Any], message: str) -> bool:
    """A warning has its place in the code before its message, and the line of code after it."""
    text = str(line["message"])
    return message in text if line["logger"] == "py.warnings" else text == message
