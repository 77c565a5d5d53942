"""The tenants file of a stack, applied to its Redis."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ops.stack.process import OneShot


class TenantsFile(OneShot):
    """`switchboard tenants apply`, once. `start` again applies what the file says then."""

    def __init__(self, directory: Path, env: Mapping[str, str], *, file: Path) -> None:
        super().__init__("tenants", directory, env)
        self._file = file.resolve()

    def command(self) -> list[str]:
        """The same command as in production. Redis is the stack's own, so what is not in the file goes."""
        return [sys.executable, "-m", "ops.cli", "tenants", "apply", "--prune", str(self._file)]
