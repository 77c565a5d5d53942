"""The wheel holds all that a worker needs: it runs from a folder where nothing else of the project is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore

ROOT = Path(__file__).parents[3]


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel of this checkout is installed, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel), cwd=folder)
    return target


async def test_a_worker_runs_from_the_installed_wheel(
    installed: Path, redis_server: RedisServer, switchboard_env: dict[str, str], rooms: RoomStore, tmp_path: Path
) -> None:
    env = environment.merged(environment.inherited(), switchboard_env, {"PYTHONPATH": str(installed)})
    where = run("-c", "import tasks, pipeline; print(tasks.__file__, pipeline.__file__)", cwd=tmp_path, env=env)
    assert where.count(str(installed)) == 2
    load = tmp_path / "load"
    load.write_text("0")
    spec = WorkerSpec("wheel", ("premium",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)})
    worker = Worker(spec, tmp_path, env, redis=redis_server)
    await worker.start()
    try:
        (status,) = await rooms.workers()
        assert (status.queues, status.slots, status.state) == (("premium",), 1, "open")
    finally:
        await worker.stop()
