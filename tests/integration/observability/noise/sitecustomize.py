"""Noise in a process that has this folder on its path: what libraries and agents write, once its logging is set up."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings

POLL_SECONDS = 0.1


def make() -> None:
    """Warn, print, log and fail in every way that is not this process' own."""
    while type(sys.stdout).__name__ != "LoggedStream":
        time.sleep(POLL_SECONDS)
    warnings.warn("noise: a warning", stacklevel=1)
    print("noise: printed")
    print("noise: printed to stderr", file=sys.stderr)
    library = logging.getLogger("a.library")
    library.warning("noise: a library %s", "warns")
    try:
        int("none")
    except ValueError:
        library.exception("noise: a library fails")
    raise RuntimeError


threading.Thread(target=make, name="noise", daemon=True).start()
