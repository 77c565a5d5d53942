"""livekit-server, from the PATH or built once from its Go module and kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ops.setup import cache, go
from ops.setup.errors import SetupError
from ops.setup.progress import Progress, StderrProgress
from ops.setup.run import run

VERSION = "1.13.4"
MODULE = f"github.com/livekit/livekit-server@v{VERSION}"
# The `go` line of its go.mod.
MINIMUM_GO = (1, 26)
CURE = (
    "It is built from its Go module, which needs the network once (or a Go module proxy, named by GOPROXY). "
    f"Without: put a livekit-server {VERSION} on the PATH."
)


def livekit_server(progress: Progress | None = None) -> Path:
    """Return the path of a livekit-server. The first time it may have to be built: two to three minutes on two cores.

    Raises a SetupError with the cure.
    """
    progress = progress or StderrProgress()
    if found := shutil.which("livekit-server"):
        return Path(found)
    name = f"livekit-server-{VERSION}"
    kept = cache.folder() / name
    if not kept.exists():
        with cache.only_one(name, progress):
            if not kept.exists():
                try:
                    _build(kept, progress)
                except SetupError as error:
                    raise SetupError(f"There is no livekit-server on this machine.\n{error}\n{CURE}") from error
    return kept


@dataclass(slots=True)
class _Count:
    """Progress of a build, by the lines that Go prints."""

    progress: Progress
    packages: int = 0
    downloaded: int = 0
    compiled: int = 0
    seen: set[str] = field(default_factory=set)

    def line(self, line: str) -> None:
        if line.startswith("go: downloading "):
            self.downloaded += 1
        elif line and line not in self.seen and not line.startswith(("go: ", "#")):
            self.seen.add(line)
            self.compiled += 1

    def tick(self) -> None:
        if self.packages:
            self.progress.tick(f"livekit-server: {self.compiled} of {self.packages} packages compiled")
        else:
            self.progress.tick(f"livekit-server: {self.downloaded} modules downloaded")


def _build(kept: Path, progress: Progress) -> None:
    # Kept when a build fails, so that the next one does not download everything again.
    scratch = kept.with_name(f"{kept.name}.building")
    scratch.mkdir(exist_ok=True)
    progress.say(f"livekit-server {VERSION} is not on this machine: building it once, for two to three minutes")
    tool = go.find(MINIMUM_GO, scratch, progress)
    count = _Count(progress)
    said = run(
        [str(tool.binary), "mod", "download", "-json", MODULE],
        env=tool.env,
        cwd=scratch,
        on_tick=lambda: progress.tick("livekit-server: downloading its module"),
    )
    source = Path(json.loads(said)["Dir"])
    listed = run(
        [str(tool.binary), "list", "-mod=readonly", "-deps", "./cmd/server"],
        env=tool.env,
        cwd=source,
        on_line=count.line,
        on_tick=count.tick,
    )
    progress.say(f"livekit-server: {count.downloaded} modules downloaded; compiling")
    count = _Count(progress, packages=len(listed.splitlines()))
    built = scratch / "livekit-server"
    run(
        [
            *(str(tool.binary), "build", "-mod=readonly", "-v", "-trimpath", "-ldflags=-s -w"),
            *("-o", str(built), "./cmd/server"),
        ],
        env=tool.env,
        cwd=source,
        on_line=count.line,
        on_tick=count.tick,
    )
    # A rename, so that a set-up killed half-way leaves no half of a program behind.
    built.rename(kept)
    shutil.rmtree(scratch)
    progress.say(f"livekit-server is at {kept}")
