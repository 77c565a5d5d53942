"""The `switchboard` command as a process, as an operator runs it."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

from ops.stack import environment
from tests.support import fork_server

SECONDS = 120
MOST_BYTES = 10**8


class Command(Protocol):
    """Either way to run `switchboard`."""

    async def __call__(
        self, env: Mapping[str, str], /, *arguments: str | Path, stdin: str = ""
    ) -> tuple[int | None, str, str]: ...


async def switchboard(env: Mapping[str, str], *arguments: str | Path, stdin: str = "") -> tuple[int | None, str, str]:
    """Run `switchboard` with these settings. Return its exit status, its stdout and its stderr.

    It is a fork of a process that has imported its modules: see `fork_server`.
    """
    request = {
        "arguments": ["ops.cli", *map(str, arguments)],
        "env": environment.merged(environment.inherited(), env),
        "cwd": str(Path.cwd()),
        "stdin": stdin,
    }
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_unix_connection(_server(), limit=MOST_BYTES)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            reply = json.loads(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()
    return reply["status"], reply["output"], reply["errors"]


async def fresh_switchboard(
    env: Mapping[str, str], *arguments: str | Path, stdin: str = ""
) -> tuple[int | None, str, str]:
    """Run `switchboard` as `switchboard` above does, in an interpreter of its own that imports what the command does.

    One test of each command has it.
    """
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", *map(str, arguments)),
        env=environment.merged(environment.inherited(), env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(command.communicate(stdin.encode()), SECONDS)
    return command.returncode, output.decode(), errors.decode()


@cache
def _server() -> str:
    """Start the process that commands are forked from, once in a lane. Return the path of its socket."""
    folder = tempfile.mkdtemp(prefix="switchboard-commands-")
    path = os.path.join(folder, "socket")  # noqa: PTH118 - a str is what asyncio takes
    server = subprocess.Popen(
        [sys.executable, "-m", fork_server.__name__, path],
        env=environment.inherited(),
        # Both ends are gone with this process, and then it ends.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def stop() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(stop)
    assert server.stdout is not None
    with server.stdout as said:
        assert said.readline() == b"ready\n"
    return path
