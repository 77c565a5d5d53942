"""A service of docker-compose.yml as a process on this machine: its command and its health check, word for word.

What differs is what a container gives: the paths in it (the mounts in the file say what is where), the names of the
other services, and the ports, which have to be free ones here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.stack.process import ManagedProcess, OneShot
from tests.integration.compose.composition import REPOSITORY, Service, composition

IMAGE_HOME = "/app"


@dataclass(frozen=True)
class Place:
    """Where on this machine a container's world is.

    `files` is a folder with a copy of each secret, and of each configuration as `<name>.config`. `addresses` are those
    in containers and what they are here. `options` go behind the name of a program that has no other way to be told
    its port. `programs` are folders to look for programs in.
    """

    files: Path
    addresses: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    programs: Sequence[Path] = ()


class Container(ManagedProcess):
    """One service, ready when its health check says so."""

    ready_seconds = 60.0
    stop_seconds = 15.0

    def __init__(self, name: str, service: Service, place: Place) -> None:
        directory = place.files / name
        directory.mkdir()
        self._service = service
        self._place = place
        declared = {key: self._here(value) for key, value in service.get("environment", {}).items()}
        # As in the image: the programs of the virtual environment come first.
        path = [str(folder) for folder in (Path(sys.executable).parent, *place.programs)] + [os.environ["PATH"]]
        base = {"PATH": os.pathsep.join(path), "HOME": str(directory), "PYTHONPATH": str(REPOSITORY)}
        super().__init__(name, directory, base | declared | dict(place.env))

    def command(self) -> list[str]:
        """The service's, behind the entry point of its image where that is another program."""
        entry = ["livekit-server"] if self.name == "livekit" else []
        return self._words([*entry, *self._service["command"]])

    async def is_ready(self) -> bool:
        """Run the health check as a container's engine does, and say whether it ended with 0."""
        how, *check = self._service["healthcheck"]["test"]
        assert how == "CMD"
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
        program, *rest = (self._here(word) for word in words)
        found = shutil.which(program, path=self.env["PATH"])
        assert found, f"{program} is not on this machine"
        return [found, *self._place.options.get(program, ()), *rest]

    def _here(self, word: str) -> str:
        word = word.replace(IMAGE_HOME, str(REPOSITORY))
        for config in self._service.get("configs", []):
            word = word.replace(config["target"], str(self._place.files / f"{config['source']}.config"))
        for name in self._service.get("secrets", []):
            file = Path(composition()["secrets"][name]["file"]).name
            word = word.replace(f"/run/secrets/{name}", str(self._place.files / file))
        # The longest first: one may be the beginning of another.
        for address in sorted(self._place.addresses, key=len, reverse=True):
            word = word.replace(address, self._place.addresses[address])
        return word


class OneShotContainer(OneShot, Container):
    """A service that does its work and ends."""
