"""A program that is built once from its Go module, and kept in the cache folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ops.setup import cache, go
from ops.setup.errors import SetupError
from ops.setup.progress import Progress
from ops.setup.run import run


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program in a Go module. `minimum_go`: the `go` line of its go.mod. `duration`: of a build on two cores."""

    name: str
    module: str
    version: str
    package: str
    minimum_go: tuple[int, int]
    duration: str

    def provide(self, progress: Progress) -> Path:
        """Return the path of the program, built if the cache folder has none. Raises SetupError with the cure."""
        kept = cache.folder() / f"{self.name}-{self.version}"
        if not kept.exists():
            with cache.only_one(kept.name, progress):
                if not kept.exists():
                    try:
                        self._build(kept, progress)
                    except SetupError as error:
                        message = f"There is no {self.name} on this machine.\n{error}\n{self._cure}"
                        raise SetupError(message) from error
        return kept

    @property
    def _cure(self) -> str:
        return (
            "It is built from its Go module, which needs the network once (or a Go module proxy, named by GOPROXY). "
            f"Without: put a {self.name} {self.version} on the PATH."
        )

    def _build(self, kept: Path, progress: Progress) -> None:
        # Kept when a build fails, so that the next one does not download everything again.
        scratch = kept.with_name(f"{kept.name}.building")
        scratch.mkdir(exist_ok=True)
        progress.say(f"{self.name} {self.version} is not on this machine: building it once, for {self.duration}")
        tool = go.find(self.minimum_go, scratch, progress)
        count = _Count(self.name, progress)
        said = run(
            [str(tool.binary), "mod", "download", "-json", f"{self.module}@v{self.version}"],
            env=tool.env,
            cwd=scratch,
            on_tick=lambda: progress.tick(f"{self.name}: downloading its module"),
        )
        source = Path(json.loads(said)["Dir"])
        listed = run(
            [str(tool.binary), "list", "-mod=readonly", "-deps", self.package],
            env=tool.env,
            cwd=source,
            on_line=count.line,
            on_tick=count.tick,
        )
        progress.say(f"{self.name}: {count.downloaded} modules downloaded; compiling")
        count = _Count(self.name, progress, packages=len(listed.splitlines()))
        built = scratch / self.name
        run(
            [
                *(str(tool.binary), "build", "-mod=readonly", "-v", "-trimpath"),
                # Nobody debugs it. The linker would leave the tables out, too, once they are made.
                *("-gcflags=all=-dwarf=false", "-ldflags=-s -w"),
                *("-o", str(built), self.package),
            ],
            env=tool.env,
            cwd=source,
            on_line=count.line,
            on_tick=count.tick,
        )
        # A rename, so that a set-up killed half-way leaves no half of a program behind.
        built.rename(kept)
        shutil.rmtree(scratch)
        progress.say(f"{self.name} is at {kept}")


@dataclass(slots=True)
class _Count:
    """Progress of a build, by the lines that Go prints."""

    name: str
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
            self.progress.tick(f"{self.name}: {self.compiled} of {self.packages} packages compiled")
        else:
            self.progress.tick(f"{self.name}: {self.downloaded} modules downloaded")
