"""The form of `REDIS_URL` that names Redis Sentinels, `sentinel://…`. They know which Redis is the master."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, unquote

SCHEME = "sentinel"
PORT = 26379
HIGHEST_PORT = 65535
FORM = "sentinel://:password@host:26379,host:26379,host:26379/0"

_URL = re.compile(rf"{SCHEME}://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<hosts>[^@/?]+)(?:/(?P<db>\d*))?")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The Sentinels of a Redis. `username` and `password` are those of Redis itself, the same for each server.

    `addresses`: host and port of each Sentinel.
    """

    addresses: tuple[tuple[str, int], ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL. Raises ValueError, with the expected form."""
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"name all Sentinels in one URL, with a comma between two: {FORM}")
        return cls(
            tuple(_address(host.strip()) for host in match["hosts"].split(",")),
            unquote(match["user"] or "") or None,
            unquote(match["password"] or "") or None,
            int(match["db"] or 0),
        )

    def broker_url(self) -> str:
        """Return the URL for kombu, which wants one for each Sentinel."""
        names = (quote(name or "", safe="") for name in (self.username, self.password))
        login = "" if self.password is None else f"{':'.join(names)}@"
        hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)
        return ";".join(f"{SCHEME}://{login}{host}/{self.db}" for host in hosts)


def _address(text: str) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or PORT) <= HIGHEST_PORT:
        raise ValueError(f"each Sentinel is host:port, with a comma between two: {FORM}")
    return match["host"].strip("[]"), int(match["port"] or PORT)
