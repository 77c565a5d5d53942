"""The tasks that Flower knows, and the file in which they outlive its process (`persistent`, `db`).

Flower writes the file every `state_save_interval` and when it stops, and moves one that it cannot read aside, as
`<file>.corrupt`. Two Flowers with one file would each overwrite what the other has written, and one that starts while
the other writes would take the file for broken: so a Flower reserves its file.
"""

from __future__ import annotations

import fcntl
import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

from tasks.queue.flower.unheard_ends import UnheardEnds

_reserved: list[int] = []
"""Open for as long as this process lives."""


def reserve(db: str) -> None:
    """Reserve the file for this process. Raises SystemExit if it cannot be written, or is another Flower's."""
    path = Path(db).absolute()
    try:
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        problem = f"Another Flower keeps its tasks in {path}: give each a file of its own (FLOWER_DB)."
        raise SystemExit(problem) from None
    except OSError as error:
        problem = (
            f"Flower cannot keep its tasks in {path}: {error.strerror}. Set FLOWER_DB to a file in a folder that it "
            "may write to, or FLOWER_PERSISTENT=false."
        )
        raise SystemExit(problem) from None
    _reserved.append(lock)


def watch() -> None:
    """Have Flower look for tasks whose end it has not heard, and write its file when it is told to stop."""
    app: Any = import_module("flower.app")
    make_events = app.Events

    def make(capp: Any, **options: Any) -> Any:
        events = make_events(capp, **options)
        events.io_loop.spawn_callback(UnheardEnds.of(capp, events).run)
        _stop_by_signal(events)
        return events

    app.Events = make


def _stop_by_signal(events: Any) -> None:
    """Write the file at the first signal, and end then.

    Flower's own way waits first for its threads, and for ever where one waits for a Redis that is away.
    """

    def stop() -> None:
        try:
            events.stop()
        finally:
            os._exit(os.EX_OK)

    def handle(*_: object) -> None:
        events.io_loop.add_callback_from_signal(stop)

    command: Any = import_module("flower.command")
    # Flower sets it for SIGTERM, a moment later.
    command.sigterm_handler = handle
    signal.signal(signal.SIGINT, handle)
