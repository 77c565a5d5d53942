"""The Lua scripts: an action for each file of `lua/`, called with its keys and arguments by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

Value = str | int | bytes | None
"""What an argument may be. A script gets None as an empty string, and a bool as 0 or 1."""

OWN = str(__package__)
"""The package whose `lua/` an action is in, if no other is named."""

_INCLUDE = re.compile(r'^--- @include "(lib/\w+)"\n', re.MULTILINE)
_UNPACKED = re.compile(r"^local ([\w, \n]+?) = unpack\((KEYS|ARGV)\b.*\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of an action with its includes, and the names that it unpacks, in their order.

    `last_keys`, `last_arguments`: the names that an include unpacks, from the end of KEYS and ARGV.
    """

    text: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    last_keys: tuple[str, ...]
    last_arguments: tuple[str, ...]


class Script:
    """One action on one Redis.

    Call it with a value for each name that its file unpacks from KEYS and ARGV, except those in `fixed`. Some actions
    take more, in any number: `more` arguments and `more_keys`. `package`: the one that has the file in its `lua/`.
    """

    def __init__(
        self, redis: Redis, action: str, *, package: str = OWN, fixed: Mapping[str, str | int] = keys.FIXED
    ) -> None:
        source = load(action, package)
        self._source = source
        self._fixed = fixed
        self._names = {*source.keys, *source.arguments, *source.last_keys, *source.last_arguments}
        self._run = redis.register_script(source.text)

    async def __call__(self, *more: Value, more_keys: Sequence[str] = (), **named: Value) -> Any:
        """Run the action. Raises TypeError if a name is missing or not one of the action's."""
        source = self._source
        values: dict[str, Any] = {**self._fixed, **named}
        if wrong := (self._names - values.keys()) | (named.keys() - self._names):
            raise TypeError(f"names missing or unknown to the script: {', '.join(sorted(wrong))}")
        first, last = ([values[name] for name in names] for names in (source.arguments, source.last_arguments))
        return await self._run(
            keys=[*(values[name] for name in source.keys), *more_keys, *(values[name] for name in source.last_keys)],
            args=[_argument(value) for value in (*first, *more, *last)],
        )


def _argument(value: Value) -> str | int | bytes:
    if value is None:
        return ""
    return int(value) if isinstance(value, bool) else value


@cache
def load(action: str, package: str = OWN) -> Source:
    """Read an action, and put its includes where it names them: after its KEYS and ARGV, which they may use.

    An include that the package does not have is one of rooms. Each comes once, however many others name it. Redis
    counts lines of the text that this returns.
    """
    text = _read(action, package)
    included: set[str] = set()

    def include(match: re.Match[str]) -> str:
        name = match[1]
        if name in included:
            return ""
        included.add(name)
        return _INCLUDE.sub(include, _read(name, package))

    own = _unpacked(text)
    text = _INCLUDE.sub(include, text)
    unpacked = _unpacked(text)
    return Source(
        text,
        keys=own["KEYS"],
        arguments=own["ARGV"],
        last_keys=unpacked["KEYS"][len(own["KEYS"]) :],
        last_arguments=unpacked["ARGV"][len(own["ARGV"]) :],
    )


def _unpacked(text: str) -> dict[str, tuple[str, ...]]:
    unpacked: dict[str, tuple[str, ...]] = {"KEYS": (), "ARGV": ()}
    for names, table in _UNPACKED.findall(text):
        unpacked[table] += tuple(re.findall(r"\w+", names))
    return unpacked


def _read(name: str, package: str) -> str:
    file = resources.files(package).joinpath("lua", f"{name}.lua")
    if not file.is_file():
        file = resources.files(OWN).joinpath("lua", f"{name}.lua")
    return file.read_text("utf-8")
