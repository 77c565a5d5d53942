"""Operators, their roles, and those who sign in with a password.

`SWITCHBOARD_CONSOLE_OPERATORS` has a line for each, as `switchboard console password` prints it:

    ann:operate+listen:scrypt$32768$8$1$…$…
    bob:view:scrypt$32768$8$1$…$…
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from ops.console.sign_in.password import PasswordHash
from tasks.errors import InvalidSetting

VARIABLE = "SWITCHBOARD_CONSOLE_OPERATORS"
NAME = re.compile(r"[\w.@+-]{1,64}")
AT_ONCE = 2
"""Passwords that are checked at the same time: each takes 32 MB and a core."""


class Role(StrEnum):
    """A right of an operator. Each of them has `view`.

    VIEW: calls, callers in wait, workers, tenants, dead letters, usage; nothing of what was said.
    OPERATE: ends and moves calls, drains workers, replays dead letters, makes trial calls.
    LISTEN: hears recordings, and reads transcripts.
    """

    VIEW = "view"
    OPERATE = "operate"
    LISTEN = "listen"


def parse_roles(text: str) -> frozenset[Role]:
    """Parse `operate+listen`. Raises ValueError."""
    try:
        named = {Role(each.strip()) for each in text.split("+")}
    except ValueError:
        raise ValueError(f"roles are {', '.join(Role)}, with + between two") from None
    return frozenset({*named, Role.VIEW})


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who may use the console."""

    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Return whether the operator has this role."""
        return role in self.roles


@dataclass(frozen=True, slots=True)
class PasswordOperator:
    """An operator who signs in with a password."""

    operator: Operator
    password: PasswordHash = field(repr=False)


class PasswordOperators:
    """The operators who sign in with a password."""

    def __init__(self, operators: Iterable[PasswordOperator]) -> None:
        self._operators = {each.operator.name: each for each in operators}
        self._checking = asyncio.Semaphore(AT_ONCE)
        # Checked for a name that nobody has, so that the time of the answer does not tell names.
        self._nobody = PasswordHash.of("")

    @classmethod
    def parse(cls, setting: str) -> Self:
        """Parse the setting. Raises InvalidSetting, which names the line and not its content."""
        operators: dict[str, PasswordOperator] = {}
        for number, line in enumerate(setting.splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                parsed = _parse(line.strip(), operators)
            except ValueError as error:
                cure = f"line {number}: {error}; `switchboard console password` prints a line"
                raise InvalidSetting(name=VARIABLE, value="***", cure=cure) from None
            operators[parsed.operator.name] = parsed
        return cls(operators.values())

    def __bool__(self) -> bool:
        return bool(self._operators)

    def find(self, name: str) -> Operator | None:
        """Return the operator of this name, or None."""
        found = self._operators.get(name)
        return found.operator if found else None

    async def sign_in(self, name: str, password: str) -> Operator | None:
        """Return the operator if the password is theirs, else None. Takes the same time for every name."""
        found = self._operators.get(name)
        hashed = found.password if found else self._nobody
        async with self._checking:
            matches = await asyncio.to_thread(hashed.matches, password)
        return found.operator if found and matches else None


def _parse(line: str, known: Container[str]) -> PasswordOperator:
    name, _, rest = line.partition(":")
    roles, _, hashed = rest.partition(":")
    if not NAME.fullmatch(name):
        raise ValueError("a name has letters, digits and . @ + - _ alone")
    if name in known:
        raise ValueError("an operator of this name is in a line before it")
    return PasswordOperator(Operator(name, parse_roles(roles)), PasswordHash.parse(hashed))
