"""The inference sidecar: the models that agents' plugins register, in one process for all calls of the worker.

Its plugins start threads and load what no fork survives, so it runs in an interpreter of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.runtime import inference_server
from tasks.worker.sidecars.sidecar import Sidecar


def inference(agents: Iterable[str], address: Path) -> Sidecar | None:
    """Return the sidecar that serves at `address`; None if no imported agent has registered a model."""
    if not inference_server.is_needed():
        return None
    agents = sorted(agents)

    def main() -> None:
        address.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pipeline.runtime.inference_server", str(address), str(os.getppid()), *agents]
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted

    return Sidecar("inference", main)
