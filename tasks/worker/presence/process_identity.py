"""The identity of a worker's main process, which no other process has, on any host and after any restart.

A pid is not enough: in a container it is often the same, and the host names of containers may be equal too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE, _STARTED_AT = 0, 19
"""Positions in `/proc/<pid>/stat`, after the name of the command."""
_ENDED = ("Z", "X")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process. `machine`: the boot and the pid namespace. `started_at`: in ticks since the boot."""

    machine: str
    pid: int
    started_at: str

    @classmethod
    def current(cls) -> Self:
        """Return the identity of this process."""
        pid = os.getpid()
        return cls(_machine(), pid, _stat(pid)[_STARTED_AT])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the identity that `str` has written, or None if it is another text."""
        machine, _, rest = text.partition(" ")
        pid, _, started_at = rest.partition(" ")
        return cls(machine, int(pid), started_at) if machine and pid.isdigit() and started_at else None

    def __str__(self) -> str:
        return f"{self.machine} {self.pid} {self.started_at}"

    @property
    def has_ended(self) -> bool | None:
        """True if the process has ended, None if it is not to be seen from here: on another host or in a container."""
        if self.machine != _machine():
            return None
        try:
            stat = _stat(self.pid)
        except OSError:
            return True
        return stat[_STARTED_AT] != self.started_at or stat[_STATE] in _ENDED


def has_ended(text: str) -> bool | None:
    """Return whether the process of an identity that `str` has written has ended, as `ProcessIdentity.has_ended`."""
    identity = ProcessIdentity.parse(text)
    return identity.has_ended if identity else None


def _machine() -> str:
    return f"{_BOOT_ID.read_text('ascii').strip()}/{Path('/proc/self/ns/pid').readlink()}"


def _stat(pid: int) -> list[str]:
    # The name of the command, in parentheses, may have spaces and parentheses in it.
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
