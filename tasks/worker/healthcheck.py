"""`python -m tasks.worker.healthcheck [NODE]`: exit 0 if the worker's heartbeat is fresh."""

from __future__ import annotations

import socket
import sys

from redis.exceptions import RedisError

from tasks.redis_client import connect_blocking
from tasks.rooms import keys
from tasks.settings import QueueSettings


def main() -> int:
    """0: alive. 1: it has not told Redis about itself for some seconds. 2: Redis does not answer."""
    node = sys.argv[1] if len(sys.argv) > 1 else f"celery@{socket.gethostname()}"
    try:
        alive = connect_blocking(QueueSettings.read()).exists(keys.worker(node))
    except (RedisError, OSError) as error:
        sys.stderr.write(f"Redis does not answer: {type(error).__name__}\n")
        return 2
    if not alive:
        sys.stderr.write(f"no heartbeat of {node}\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
