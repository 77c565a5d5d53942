"""`REDIS_URL`: a Redis, or the Sentinels that know the master, with or without TLS.

It is read here once, for our own clients and for Celery's. redis-py, kombu and Flower each read a URL in a way of their
own: with `?ssl_cert_reqs=…` one verifies, one does not, and one fails.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, unquote

REDIS_PORT = 6379
SENTINEL_PORT = 26379
HIGHEST_PORT = 65535
SCHEMES = ("redis", "rediss", "sentinel", "sentinels")
FORM = "redis://:password@host:6379/0"
TLS_FORM = "rediss://:password@host:6379/0?ssl_ca_certs=/path"
SENTINEL_FORM = "sentinel://:password@host:26379,host:26379,host:26379/0"
ENCODED = "percent-encode what is special in a password: # is %23, / is %2F, ? is %3F, @ is %40, : is %3A, % is %25"

_URL = re.compile(
    r"(?P<scheme>\w+)://(?:(?P<login>[^/?#]*)@)?(?P<hosts>[^@/?#]+)(?:/(?P<db>\d*))?(?:\?(?P<query>[^#]*))?", re.DOTALL
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a connection with TLS. The server's certificate and its host name are always verified.

    `ca_certs`: the authorities that are trusted besides the host's own. `certfile`, `keyfile`: the client's own
    certificate, for a server that asks for one.
    """

    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None

    @classmethod
    def parse(cls, query: str) -> Self:
        """Parse what stands after the `?` of a URL. Raises ValueError, with the cure."""
        files: dict[str, str] = {}
        for part in filter(None, query.split("&")):
            name, _, value = part.partition("=")
            if name in {"ssl_cert_reqs", "ssl_check_hostname"}:
                raise ValueError(f"leave {name} out: certificates and host names are always verified")
            field_name = name.removeprefix("ssl_")
            if name == field_name or field_name not in cls.__slots__ or not value:
                raise ValueError(
                    "after its ? a URL may have ssl_ca_certs=/path, ssl_certfile=/path and ssl_keyfile=/path, "
                    f"with & between two; {ENCODED}"
                )
            files[field_name] = unquote(value)
        tls = cls(**files)
        tls._check()
        return tls

    def options(self) -> dict[str, Any]:
        """Return the options of redis-py and of kombu."""
        files = {"ssl_ca_certs": self.ca_certs, "ssl_certfile": self.certfile, "ssl_keyfile": self.keyfile}
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True} | {
            name: path for name, path in files.items() if path is not None
        }

    def _check(self) -> None:
        """Load each file now, and not in the first call. Raises ValueError."""
        if self.keyfile is not None and self.certfile is None:
            raise ValueError("ssl_keyfile needs ssl_certfile too")
        context = ssl.create_default_context()
        name = "ssl_ca_certs"
        try:
            if self.ca_certs is not None:
                context.load_verify_locations(self.ca_certs)
            name = "ssl_certfile or ssl_keyfile"
            if self.certfile is not None:
                # A key with a passphrase would ask for it on the terminal.
                context.load_cert_chain(self.certfile, self.keyfile, password="")
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or type(error).__name__
            raise ValueError(f"the file that {name} names cannot be used: {problem}") from None


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A Redis, or the Sentinels that know the master. `username` and `password` are those of Redis itself.

    `addresses`: host and port of Redis, or of each Sentinel. `tls`: None without TLS, which with Sentinels is that of
    the Sentinels too.
    """

    addresses: tuple[tuple[str, int], ...]
    sentinels: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    tls: Tls | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL. Raises ValueError, with the cure and without any part of the URL."""
        scheme = url.partition("://")[0]
        if scheme not in SCHEMES:
            raise ValueError(f"it begins with {', '.join(f'{each}://' for each in SCHEMES[:-1])} or {SCHEMES[-1]}://")
        sentinels, with_tls = scheme.startswith("sentinel"), scheme in {"rediss", "sentinels"}
        match = _URL.fullmatch(url)
        if match is None:
            form = f"name all Sentinels in one URL, {SENTINEL_FORM}" if sentinels else f"write it as {FORM}"
            raise ValueError(f"{form}; {ENCODED}")
        if match["query"] is not None and not with_tls:
            raise ValueError(f"only a URL with TLS has a ?: {TLS_FORM}; {ENCODED}")
        username, password = _login(match["login"])
        hosts = match["hosts"].split(",")
        if len(hosts) > 1 and not sentinels:
            raise ValueError(f"it names one Redis; several hosts are Sentinels: {SENTINEL_FORM}")
        return cls(
            tuple(_address(host.strip(), sentinels=sentinels) for host in hosts),
            sentinels,
            username,
            password,
            int(match["db"] or 0),
            Tls.parse(match["query"] or "") if with_tls else None,
        )

    def __str__(self) -> str:
        """Return hosts and ports, for logs and for operators."""
        hosts = ", ".join(_authority(*address) for address in self.addresses)
        return f"Sentinels {hosts}" if self.sentinels else hosts

    def login(self) -> dict[str, Any]:
        """Return name, password and database as options of redis-py."""
        return {"username": self.username, "password": self.password, "db": self.db}

    def broker_url(self) -> str:
        """Return the URL for kombu and Flower. It has no TLS options, which are `broker_use_ssl`.

        kombu wants one URL for each Sentinel, and their scheme is the same with TLS.
        """
        scheme = "sentinel" if self.sentinels else "redis" if self.tls is None else "rediss"
        names = (quote(name or "", safe="") for name in (self.username, self.password))
        login = "" if self.password is None else f"{':'.join(names)}@"
        return ";".join(f"{scheme}://{login}{_authority(*address)}/{self.db}" for address in self.addresses)


def _login(text: str | None) -> tuple[str | None, str | None]:
    name, _, password = (text or "").partition(":")
    if name and not password:
        # Every library would take the only word for a name, and would not log in at all.
        raise ValueError(f"a name needs a password, name:password@host, and a password alone has a colon: {FORM}")
    return unquote(name) or None, unquote(password) or None


def _address(text: str, *, sentinels: bool) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    port = int(match["port"] or (SENTINEL_PORT if sentinels else REDIS_PORT)) if match else 0
    if match is None or not 0 < port <= HIGHEST_PORT:
        expected = f"each Sentinel is host:port, with a comma between two: {SENTINEL_FORM}"
        raise ValueError(f"{expected if sentinels else f'write it as {FORM}'}; {ENCODED}")
    return match["host"].strip("[]"), port


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
