"""The wheel: it has all files of the product and none of its tests, and a worker runs from it without the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from ops.stack import Worker, WorkerSpec, environment
from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.support.waiting import until
from tests.unit.conventions.source_tree import PACKAGES, ROOT, is_shipped

NOT_PRODUCT = {
    *("tests", "conftest", "bench", "scaling", "stats", "machine", "webhook_load"),
    *("fake_livekit_api", "signed_webhook"),
}
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, check=True, capture_output=True, text=True
    ).stdout


def product_files() -> set[str]:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    shipped = [path for path in paths if "__pycache__" not in path.parts and is_shipped(path)]
    return {path.relative_to(ROOT).as_posix() for path in shipped}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy: setuptools would also take what an earlier build has left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    # Not a package: it must not be found although it lies beside them.
    shutil.copytree(ROOT / "tests" / "support", source / "tests" / "support")
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_it_has_every_module_and_data_file_of_the_packages_and_nothing_else(wheel_files: set[str]) -> None:
    assert wheel_files == product_files()
    assert {PurePosixPath(name).suffix for name in wheel_files} >= {
        ".py",
        ".lua",
        ".toml",
        ".txt",
        ".cfg",
        ".yaml",
        ".yml",
        ".json",
    }


def test_it_has_neither_tests_nor_benchmarks(wheel_files: set[str]) -> None:
    for name in wheel_files:
        path = PurePosixPath(name)
        assert not NOT_PRODUCT & {*path.parts, path.stem}, name
        assert not path.name.startswith("test_")


async def test_a_worker_runs_from_the_installed_wheel(
    wheel: Path, redis_server: RedisServer, switchboard_env: dict[str, str], rooms: RoomStore, tmp_path: Path
) -> None:
    installed = tmp_path / "installed"
    run(*PIP, "install", "--no-deps", "--no-index", "--target", str(installed), str(wheel), cwd=tmp_path)
    env = environment.merged(environment.inherited(), switchboard_env, {"PYTHONPATH": str(installed)})
    where = run("-c", "import tasks, pipeline; print(tasks.__file__, pipeline.__file__)", cwd=tmp_path, env=env)
    assert where.count(str(installed)) == 2
    load = tmp_path / "load"
    load.write_text("0")
    spec = WorkerSpec("wheel", ("premium",), slots=1, env={"SWITCHBOARD_LOAD_FILE": str(load)})
    worker = Worker(spec, tmp_path, env, redis=redis_server)
    await worker.start()
    try:

        async def takes_calls() -> bool:
            (status,) = await rooms.list_workers()
            assert (status.queues, status.slots) == (("premium",), 1)
            return status.state == "open"

        await until(takes_calls)
    finally:
        await worker.stop()
