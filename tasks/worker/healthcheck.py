"""The worker's health check, `python -m tasks.worker.healthcheck [NODE]`: exit 0 if its heartbeat is fresh.

Exit 1 says that the worker is gone or hangs. Exit 2 says nothing about it, and is no reason to restart it: while Redis
takes no writes no worker can write its heartbeat, and its calls go on.
"""

from __future__ import annotations

import socket
import sys

from redis.exceptions import RedisError

from tasks.errors import InvalidSettings
from tasks.redis_client import connect_blocking
from tasks.rooms import keys, scripts
from tasks.settings import RedisSettings


def main() -> int:
    """Return 0 with a fresh heartbeat, 1 without one, 2 if Redis does not answer or takes no writes.

    2 also if a setting is not usable.
    """
    node = sys.argv[1] if len(sys.argv) > 1 else f"celery@{socket.gethostname()}"
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
