"""The worker's health check, `python -m tasks.worker.healthcheck [--live] [NODE]`: exit 0 if it is well.

Without an option it is about readiness: exit 0 if the heartbeat in Redis is fresh. Exit 1 says that the worker is gone
or hangs. Exit 2 says nothing about it, and is no reason to restart it: while Redis takes no writes no worker can write
its heartbeat, and its calls go on.

With `--live` it is about liveness alone, and asks nobody: exit 0 if the main loop was seen within the last minute, or
within `--within SECONDS`. Exit 1 is a reason to restart the worker.
"""

from __future__ import annotations

import argparse
import socket
import sys

from tasks.worker.presence import liveness


def main() -> int:
    """Check, and return 0, 1 or 2 as the module says. A reason not to return 0 goes to stderr."""
    parser = argparse.ArgumentParser(prog="healthcheck", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("node", nargs="?", default=f"celery@{socket.gethostname()}")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--within", type=float, default=liveness.LIVE_SECONDS, metavar="SECONDS")
    options = parser.parse_args()
    return _live(options.node, options.within) if options.live else _ready(options.node)


def _live(node: str, within: float) -> int:
    seconds = liveness.seconds_since_mark(node)
    if seconds is not None and seconds <= within:
        return 0
    seen = "never here" if seconds is None else f"{seconds:.0f} s ago"
    sys.stderr.write(f"the main loop of {node} was last seen {seen}\n")
    return 1


def _ready(node: str) -> int:
    # Here, because they take ten times as long as all of `--live`.
    from redis.exceptions import RedisError  # noqa: PLC0415

    from tasks.errors import InvalidSettings  # noqa: PLC0415
    from tasks.redis_client import connect_blocking  # noqa: PLC0415
    from tasks.rooms import keys, scripts  # noqa: PLC0415
    from tasks.settings import RedisSettings  # noqa: PLC0415

    try:
        with connect_blocking(RedisSettings.read()) as redis:
            if redis.exists(keys.worker(node)):
                return 0
            redis.eval(scripts.load("prove_write").text, 1, keys.PROBE, keys.PROBE_MS)
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (RedisError, OSError) as error:
        sys.stderr.write(f"Redis does not answer: {type(error).__name__}\n")
        return 2
    sys.stderr.write(f"no heartbeat of {node}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
