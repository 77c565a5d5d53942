"""The start of each process with settings or options that are not usable: each problem in a line, no traceback."""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest

from ops.stack import environment, probe
from ops.stack.ports import PortPicker
from tests.support.waiting import until

PROCESSES = {
    "worker": ["-m", "celery", "-A", "tasks", "worker", "-Q", "premium"],
    "receiver": ["-m", "uvicorn", "--factory", "webhooks.app:create_app", "--port", "0"],
    "flower": ["-m", "celery", "-A", "tasks", "flower"],
    "health check": ["-m", "tasks.worker.healthcheck"],
    "drain": ["-m", "ops.cli", "drain", "one@here"],
    "replay": ["-m", "ops.cli", "dead", "replay", "RM_1"],
}
NEEDS_ALL = {"worker", "receiver", "replay"}
NEEDS_REDIS = {"health check"}
WORKER = PROCESSES["worker"][:-2]
SETTINGS = {"LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "secret", "REDIS_URL": "redis://127.0.0.1:1/0"}


async def run(arguments: list[str], **settings: str) -> tuple[int, str]:
    """The exit status of a process and all that it has printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=environment.merged(environment.inherited(), settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


@pytest.mark.parametrize("process", PROCESSES)
async def test_every_process_says_all_that_is_wrong_with_its_settings_in_a_line_each(process: str) -> None:
    status, output = await run(
        PROCESSES[process], REDIS_URL="localhost:6379", SWITCHBOARD_SLOTS="many", LIVEKIT_URL="localhost:7880"
    )
    assert status not in {0, None}
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if line]
    named = [line.partition(" = ")[0] for line in lines]
    expected = ["REDIS_URL"]
    if process in NEEDS_ALL:
        expected += ["LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"]
    if process not in NEEDS_REDIS:
        expected.append("SWITCHBOARD_SLOTS")
    assert named == expected, output


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        (
            ["-Q", "premum,standard", "-X", "fre", "-P", "solo"],
            [
                "-P: each call needs a process of its own",
                "-Q: there is no queue 'premum'; the known queues are premium, standard, free; did you mean premium?",
                "-X: there is no queue 'fre'; the known queues are premium, standard, free; did you mean free?",
            ],
        ),
        (
            ["-P", "threads", "-c", "2000", "--autoscale", "4,1", "-B", "--time-limit", "60", "--purge"],
            [
                "-P: each call needs a process of its own",
                "-c: a worker has 1 to 1000 slots",
                "--autoscale: the load decides",
                "-B: nothing here has a schedule",
                "--time-limit: it would cut calls off",
                "--purge: the messages in the queues are callers who wait",
            ],
        ),
        (
            ["--max-tasks-per-child", "9", "--prefetch-multiplier", "4", "--disable-prefetch"],
            ["--max-tasks-per-child: a child answers one call", "--prefetch-multiplier: ", "--disable-prefetch: "],
        ),
        (["worker.max_tasks_per_child=9"], ["--max-tasks-per-child: a child answers one call"]),
    ],
    ids=["queues", "pool", "prefetch", "configuration"],
)
async def test_a_worker_refuses_options_that_do_not_go_with_calls(options: list[str], reasons: list[str]) -> None:
    status, output = await run([*WORKER, *options], **SETTINGS)
    assert status == 1
    assert "Traceback" not in output
    lines = output.strip().splitlines()
    assert [line.startswith(reason) for line, reason in zip(lines, reasons, strict=True)] == [True] * len(reasons), (
        output
    )


async def test_a_worker_that_is_given_a_tier_is_told_its_queue() -> None:
    _, output = await run([*WORKER, "-Q", "gold"], **SETTINGS, SWITCHBOARD_TIERS="gold=fast")
    assert "-Q: there is no queue 'gold'; the queue of the tier gold is fast" in output


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SWITCHBOARD_API_KEYS", "a key", "SWITCHBOARD_API_KEYS = '***' is not usable: write it as tenant="),
        ("SWITCHBOARD_TWILIO_AUTH_TOKENS", "token", "SWITCHBOARD_PUBLIC_URL = None is not usable: set it, because"),
    ],
)
async def test_a_receiver_checks_what_its_endpoints_need_before_it_listens(
    variable: str, value: str, reason: str
) -> None:
    status, output = await run(PROCESSES["receiver"], **SETTINGS, **{variable: value})
    assert status not in {0, None}
    assert output.startswith(reason)
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("app", "options"),
    [("tasks", []), ("tasks.queue.app", []), ("tasks", ["--basic_auth=operator:"]), ("tasks", ["--conf"])],
)
async def test_flower_does_not_start_without_a_password(app: str, options: list[str], tmp_path: Path) -> None:
    if options == ["--conf"]:
        (tmp_path / "theirs.py").write_text("basic_auth = []\naddress = '0.0.0.0'\n")
        options = [f"--conf={tmp_path / 'theirs.py'}"]
    port = PortPicker().pick()
    status, output = await run(["-m", "celery", "-A", app, "flower", f"--port={port}", *options], **SETTINGS)
    assert status == 1
    assert "Flower shows rooms and tenants, so it does not start without a password" in output
    assert "Traceback" not in output


async def test_flower_listens_on_this_host_alone_and_asks_for_its_password() -> None:
    port = PortPicker().pick()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-m", "celery", "-A", "tasks", "flower", f"--port={port}"],
        env=environment.merged(environment.inherited(), SETTINGS, {"SWITCHBOARD_FLOWER_PASSWORD": "hidden"}),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def is_up() -> bool:
        try:
            return await probe.http_status("127.0.0.1", port, "/healthcheck") == HTTPStatus.UNAUTHORIZED
        except OSError:
            return False

    try:
        await until(is_up, 60)
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(process.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
        for page in ("/", "/tasks", "/api/workers", "/metrics"):
            assert await probe.http_status("127.0.0.1", port, page) == HTTPStatus.UNAUTHORIZED
    finally:
        process.kill()
        await process.wait()
