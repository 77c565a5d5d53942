"""The `switchboard` command as a process, as an operator runs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack import environment

SECONDS = 120


async def switchboard(env: Mapping[str, str], *arguments: str | Path, stdin: str = "") -> tuple[int | None, str, str]:
    """Run `switchboard` with these settings. Return its exit status, its stdout and its stderr."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", *map(str, arguments)),
        env=environment.merged(environment.inherited(), env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(command.communicate(stdin.encode()), SECONDS)
    return command.returncode, output.decode(), errors.decode()
