"""The `switchboard` command as a process, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ops.stack import environment
from tests.support import fork_client, fork_server

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
        "log": None,
    }
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_unix_connection(fork_client.server(fork_server.COMMANDS), limit=MOST_BYTES)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            reply = json.loads(await reader.readline())
        finally:
            writer.close()
            await writer.wait_closed()
    output, errors = reply["outputs"]
    return reply["status"], output, errors


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
