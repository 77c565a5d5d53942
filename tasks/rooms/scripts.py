"""The Lua scripts: one action a file, and what several of them need in a file of its own, put in front of theirs."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

ADMISSION = "admission"
"""Places and lines. An action behind it has `keys.ADMITTING` last in KEYS, and the prefix of room hashes in ARGV."""
RECORD = "call_record"


def script(redis: Redis, action: str, *before: str) -> AsyncScript:
    """The action of that name, behind the functions of the files `before` it, from whose lines on Redis counts its."""
    return redis.register_script("\n".join([*(_source("lua/lib", name) for name in before), _source("lua", action)]))


@cache
def _source(folder: str, name: str) -> str:
    return resources.files(__package__).joinpath(folder, f"{name}.lua").read_text("utf-8")
