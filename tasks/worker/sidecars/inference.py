"""The inference sidecar: the models that agents' plugins register, in one process for all calls of the worker.

Its plugins start threads and load what no fork survives, so it runs in an interpreter of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.runtime import inference_server
from tasks import logs
from tasks.settings import LogSettings
from tasks.worker.sidecars.sidecar import Sidecar

NAME = "inference"


def inference(agents: Iterable[str], address: Path, *, worker: str) -> Sidecar | None:
    """Return the sidecar that serves at `address`; None if no imported agent has registered a model.

    `worker`: its node name, for its log.
    """
    if not inference_server.is_needed():
        return None
    agents = sorted(agents)

    def main() -> None:
        address.unlink(missing_ok=True)
        command = [sys.executable, "-m", __name__, worker, str(address), str(os.getppid()), *agents]
        os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted

    return Sidecar(NAME, main)


if __name__ == "__main__":
    logs.set_up(LogSettings.read().level, process="sidecar")
    logs.add_fields(sidecar=NAME, worker=sys.argv[1])
    inference_server.main(sys.argv[2:])
