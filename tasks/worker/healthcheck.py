"""The worker's health check, `python -m tasks.worker.healthcheck [NODE]`: exit 0 if its heartbeat is fresh."""

from __future__ import annotations

import socket
import sys

from redis.exceptions import RedisError

from tasks.errors import InvalidSettings
from tasks.redis_client import connect_blocking
from tasks.rooms import keys
from tasks.settings import RedisSettings


def main() -> int:
    """Return 0 with a fresh heartbeat, 1 without one, 2 if Redis does not answer or a setting is not usable."""
    node = sys.argv[1] if len(sys.argv) > 1 else f"celery@{socket.gethostname()}"
    try:
        alive = connect_blocking(RedisSettings.read()).exists(keys.worker(node))
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (RedisError, OSError) as error:
        sys.stderr.write(f"Redis does not answer: {type(error).__name__}\n")
        return 2
    if not alive:
        sys.stderr.write(f"no heartbeat of {node}\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main())
