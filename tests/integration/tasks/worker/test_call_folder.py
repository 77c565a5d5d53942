"""The temporary files of a call go with it, also of one whose child was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from ops.stack.redis import RedisServer
from tasks.queue.dispatcher import Dispatcher
from tasks.rooms import RoomStore
from tests.integration.tasks.worker.calling import calling
from tests.support.waiting import until

AGENT = """
import asyncio, pathlib, subprocess, tempfile

async def entrypoint(ctx):
    made = [tempfile.mkdtemp(), subprocess.run(["mktemp"], capture_output=True, check=True, text=True).stdout.strip()]
    pathlib.Path(__file__).with_name(ctx.room.name).write_text(" ".join(made))
    await asyncio.Event().wait()
"""


async def test_what_a_killed_child_has_made_with_tempfile_or_mktemp_goes_and_so_does_livekits_own_folder(
    redis_server: RedisServer, switchboard_env: dict[str, str], dispatcher: Dispatcher, rooms: RoomStore, tmp_path: Path
) -> None:
    temporary, told = tmp_path / "tmp", tmp_path / "call-acme-1"
    temporary.mkdir()
    env = {**switchboard_env, "TMPDIR": str(temporary)}

    async def tells() -> bool:
        return told.exists() and len(told.read_text().split()) == 2

    async with calling(redis_server, env, dispatcher, rooms, tmp_path, AGENT, slots=2) as worker:
        await until(tells)
        made = [Path(path) for path in told.read_text().split()]
        assert all(temporary in path.parents and path.exists() for path in made)
        told.unlink()
        os.kill(await worker.child(), signal.SIGKILL)
        # The next attempt.
        await until(tells)

        async def gone() -> bool:
            return not any(path.exists() for path in made)

        await until(gone)
        assert [path.name[:19] for path in temporary.iterdir()] == ["switchboard-worker-"]
