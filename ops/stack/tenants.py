"""The tenants file of a stack, applied to its Redis."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack.process import OneShot


class TenantsFile(OneShot):
    """One run of `switchboard tenants apply`. Another `start` applies the file again."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, file: Path) -> None:
        super().__init__("tenants", directory, env)
        self._file = file.resolve()

    def command(self) -> list[str]:
        """Return the same command as in production, with --prune: no other file is applied to the stack's Redis."""
        return [sys.executable, "-m", "ops.cli", "tenants", "apply", "--prune", str(self._file)]
