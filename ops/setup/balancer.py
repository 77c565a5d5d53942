"""HAProxy, the load balancer in front of the receivers, where it is installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def haproxy() -> Path | None:
    """Return the path of haproxy, or None. Looks into the `sbin` folders too, which are only on root's PATH."""
    found = shutil.which(
        "haproxy", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    )
    return Path(found) if found else None
