"""Redis' users as the composition has them, for the redis-server that is here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def tells_reading_from_writing(binary: Path) -> bool:
    """Return whether this redis-server knows key patterns for reading only: since Redis 7."""
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"v=(\d+)", version)
    assert match
    return int(match[1]) >= 7


def adapt(users: Path, binary: Path) -> None:
    """Make patterns for reading only into patterns for both, where redis-server knows no others."""
    if not tells_reading_from_writing(binary):
        users.chmod(0o600)
        users.write_text(re.sub(r"%R~", "~", users.read_text(encoding="utf-8")), encoding="utf-8")
