"""Hashes of passwords by scrypt, and `switchboard console password`, which makes one."""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import re
import secrets
import sys
from dataclasses import dataclass, field
from typing import Self

COST, BLOCK, PARALLEL = 1 << 15, 8, 1
"""32 MB and about 0.1 s for each check, as OWASP advises for scrypt with p = 3 at half of this memory."""
MEMORY = 256 << 20
SALT_BYTES, HASH_BYTES = 16, 32
SHORTEST = 12
LONGEST = 1024

_HASH = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,2})\$(\d{1,2})\$([\w+/=-]+)\$([\w+/=-]+)")


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password's hash, with the parameters that it was made with."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str, *, cost: int = COST) -> Self:
        """Hash a password with a new salt."""
        salt = secrets.token_bytes(SALT_BYTES)
        return cls(cost, BLOCK, PARALLEL, salt, _scrypt(password, salt, cost, BLOCK, PARALLEL))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `scrypt$n$r$p$salt$hash`. Raises ValueError, which does not repeat it."""
        match = _HASH.fullmatch(text)
        if match is None:
            raise ValueError("the hash of the password is as `switchboard console password` prints it")
        try:
            salt, digest = (base64.b64decode(match[number], validate=True) for number in (4, 5))
        except ValueError:
            raise ValueError("salt and hash are in base64") from None
        hashed = cls(int(match[1]), int(match[2]), int(match[3]), salt, digest)
        if 128 * hashed.cost * hashed.block > MEMORY or len(digest) != HASH_BYTES:
            raise ValueError("the hash takes more than 256 MB to check, or has another length than 32 bytes")
        return hashed

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.cost}${self.block}${self.parallel}${salt}${digest}"

    def matches(self, password: str) -> bool:
        """Return whether this is the password. Takes about 0.1 s of a core."""
        if len(password) > LONGEST:
            return False
        return hmac.compare_digest(_scrypt(password, self.salt, self.cost, self.block, self.parallel), self.digest)


def run(name: str, roles: tuple[str, ...]) -> int:
    """Ask for a password and print the operator's line for the settings. Return the exit status."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {name}: ")
        if getpass.getpass("Again: ") != password:
            print("The two are not the same.", file=sys.stderr)
            return 1
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not SHORTEST <= len(password) <= LONGEST:
        print(f"A password has {SHORTEST} to {LONGEST} characters.", file=sys.stderr)
        return 1
    print(f"{name}:{'+'.join(roles)}:{PasswordHash.of(password)}")
    return 0


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=2 * MEMORY, dklen=HASH_BYTES
    )
