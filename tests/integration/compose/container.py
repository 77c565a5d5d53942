"""A service of docker-compose.yml as a process on this machine, with its own command and health check.

Only what a container provides is replaced: its paths (by the mounts in the file), the names of the other services, and
the ports, which have to be free on this machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.stack.process import ManagedProcess, OneShot
from tests.integration.compose.composition import REPOSITORY, Service, composition, default

IMAGE_HOME = "/app"
ENTRY_POINTS = {"livekit": "livekit-server", "prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
"""The programs that images bring as their entry points, by service."""


@dataclass(frozen=True)
class HostMapping:
    """The paths and addresses of this machine that replace those of a container.

    `files`: a folder with a copy of each secret, and of each configuration as `<name>.config`.
    `addresses`: address in containers -> address on this machine.
    `options`: program -> options with its port, for programs that take it in no other way.
    `programs`: folders to search for programs.
    """

    files: Path
    addresses: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    programs: Sequence[Path] = ()


class Container(ManagedProcess):
    """One service. It is ready when its health check passes."""

    ready_seconds = 60.0
    # Each check is a process, with an interpreter of its own for most services.
    probe_seconds = 0.5
    stop_seconds = 15.0

    def __init__(self, name: str, service: Service, mapping: HostMapping) -> None:
        directory = mapping.files / name
        directory.mkdir()
        self._service = service
        self._mapping = mapping
        # One without a value is passed on from the shell of `docker compose`, if it is set there.
        named = service.get("environment", {})
        declared = {key: self._translate(value) for key, value in named.items() if value is not None}
        # As in the image: the programs of the virtual environment come first.
        path = [str(folder) for folder in (Path(sys.executable).parent, *mapping.programs)] + [os.environ["PATH"]]
        base = {"PATH": os.pathsep.join(path), "HOME": str(directory), "PYTHONPATH": str(REPOSITORY)}
        super().__init__(name, directory, base | declared | dict(mapping.env))

    def command(self) -> list[str]:
        """Return the service's command, after the entry point of its image if that is a program of its own."""
        entry = ENTRY_POINTS.get(self.name)
        return self._words([*([entry] if entry else []), *self._service["command"]])

    async def is_ready(self) -> bool:
        """Run the health check as a container engine does, and return whether it ended with 0."""
        form, *check = self._service["healthcheck"]["test"]
        assert form == "CMD"
        process = await asyncio.create_subprocess_exec(
            *self._words(check),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self.directory,
            env=self.env,
        )
        try:
            return await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _words(self, words: Sequence[str]) -> list[str]:
        program, *rest = (self._translate(default(word)) for word in words)
        path_of_program = shutil.which(program, path=self.env["PATH"])
        assert path_of_program, f"{program} is not on this machine"
        return [path_of_program, *self._mapping.options.get(program, ()), *rest]

    def _translate(self, word: str) -> str:
        word = word.replace(IMAGE_HOME, str(REPOSITORY))
        for volume in self._service.get("volumes", []):
            name, target = volume.split(":")
            folder = self._mapping.files / f"{name}.volume"
            folder.mkdir(exist_ok=True)
            # As a whole: it is the beginning of other paths, too.
            word = re.sub(rf"(^|=){re.escape(target)}(?=/|$)", rf"\g<1>{folder}", word)
        for config in self._service.get("configs", []):
            word = word.replace(config["target"], str(self._mapping.files / f"{config['source']}.config"))
        for name in self._service.get("secrets", []):
            file = Path(composition()["secrets"][name]["file"]).name
            word = word.replace(f"/run/secrets/{name}", str(self._mapping.files / file))
        # The longest first: one may be the beginning of another.
        for address in sorted(self._mapping.addresses, key=len, reverse=True):
            word = word.replace(address, self._mapping.addresses[address])
        return word


class OneShotContainer(OneShot, Container):
    """A service that does its work and exits."""
