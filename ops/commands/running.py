"""The run of a command, and its exit status."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from redis.exceptions import RedisError

from ops.commands import terminal


def exit_status(command: Coroutine[Any, Any, int | None], *refusals: type[Exception]) -> int:
    """Run a command and return its exit status: its own, 0 if it returns none, or 1 with the reason on stderr.

    `refusals`: errors whose message says to the operator why nothing was done.
    """
    try:
        return asyncio.run(command) or 0
    except refusals as error:
        print(error, file=sys.stderr)
    except (RedisError, OSError) as error:
        terminal.print_redis_unreachable(error)
    return 1
