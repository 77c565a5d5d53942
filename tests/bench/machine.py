"""The machine and the versions of a benchmark."""

from __future__ import annotations

import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from ops.stack import Binaries

GB = 1 << 30
PACKAGES = ("livekit-switchboard", "livekit-agents", "livekit", "celery", "redis")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine. `versions`: name -> version of everything that takes part."""

    when: str
    hardware: str
    system: str
    versions: dict[str, str]

    @classmethod
    def this(cls, binaries: Binaries) -> Machine:
        """Describe this machine now."""
        memory = round(psutil.virtual_memory().total / GB)
        versions = {name: metadata.version(name) for name in PACKAGES}
        versions["livekit-server"] = _output_of(str(binaries.livekit), "--version")
        versions["redis-server"] = _output_of(str(binaries.redis), "--version")
        if commit := _output_of(
            "git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD", pattern=r"\w+"
        ):
            versions["commit"] = commit
        return cls(
            when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            hardware=f"{psutil.cpu_count()} x {_processor()}, {memory} GB",
            system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
            versions={name: version for name, version in versions.items() if version},
        )


def _processor() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.machine()


def _output_of(*command: str, pattern: str = r"\d+\.\d+\.\d+") -> str:
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(pattern, output)
    return match[0] if match else ""
