"""One HTTP request with a notice: bounded in time and in what is read, and to an address that was checked.

Redirects are not followed. Nothing is sent through a proxy of the environment, which would look names up itself. The
certificate of the backend is checked against those that OpenSSL trusts, `SSL_CERT_FILE` among them.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import aiohttp

from tasks.background.notices.address import REFUSED, require_allowed
from tasks.background.notices.notice import TryResult
from tasks.settings import NoticeSettings
from tasks.settings.notices import Network
from tasks.settings.process import now_ms

CONNECT_SECONDS, READ_SECONDS = 5.0, 10.0
"""Timeouts of the connection with its TLS, and between two parts of the answer; within the time for the try."""
ANSWER_BYTES = 512
"""The part of an answer that is kept. No more of it is read."""
BODY_SECONDS = 2.0
"""The time for it: the status decides, and it has come by then."""
HTTP_OK, HTTP_REDIRECT, HTTP_BAD_REQUEST, HTTP_GONE = 200, 300, 400, 410

PROBLEMS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "no connection within {connect:g} s"),
    (aiohttp.SocketTimeoutError, "no answer within {read:g} s"),
    (TimeoutError, "no answer within {seconds:g} s"),
    ((aiohttp.ClientConnectorCertificateError, ssl.CertificateError), "its certificate is not valid"),
    ((aiohttp.ClientSSLError, ssl.SSLError), "no TLS with it"),
    (aiohttp.ClientConnectorDNSError, "its name is not known"),
    (aiohttp.ClientConnectorError, "no connection to it"),
    ((aiohttp.InvalidURL, KeyError), "its address is not usable"),
    (aiohttp.ClientResponseError, "its answer is not HTTP"),
)
"""The problems without an answer, by the errors of aiohttp, the special ones first."""
NO_ANSWER = "the connection was lost before the answer"

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one request. `retry_after_seconds`: the backend's wish, or None."""

    result: TryResult
    retry_after_seconds: float | None = None

    @property
    def is_delivered(self) -> bool:
        """True if the backend has taken the notice."""
        return not self.result.problem

    @property
    def is_gone(self) -> bool:
        """True if the backend wants no more notices."""
        return self.result.status == HTTP_GONE


class Sender:
    """Sends notices. Create and close it in an event loop."""

    def __init__(self, settings: NoticeSettings) -> None:
        self._seconds = settings.timeout_seconds
        self._sessions = {
            "https": _session(settings, is_encrypted=True),
            "http": _session(settings, is_encrypted=False),
        }

    async def aclose(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request. Never raises for what a backend does, and returns within the time for a try."""
        at_ms, began = now_ms(), time.monotonic()
        status, retry_after, problem, content = None, None, "", bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                session = self._sessions[url.partition(":")[0].lower()]
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                    status = response.status
                    retry_after = _seconds(response.headers.get("Retry-After", ""))
                    problem = _problem_of(status)
                    await _read(response, content)
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError, KeyError) as error:
            # A status that has come decides, whatever became of the rest.
            if status is None:
                problem = _describe(error, self._seconds)
        latency_ms = round((time.monotonic() - began) * 1000)
        return Answer(TryResult(at_ms, latency_ms, status, _printable(bytes(content)), problem), retry_after)


def _describe(error: Exception, seconds: float) -> str:
    """Return in a few words why there was no answer, without the address and without what was sent."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        why = str(error.os_error)
        if REFUSED in why:
            return why
    found = next((words for kinds, words in PROBLEMS if isinstance(error, kinds)), NO_ANSWER)
    return found.format(seconds=seconds, connect=CONNECT_SECONDS, read=READ_SECONDS)


def _session(settings: NoticeSettings, *, is_encrypted: bool) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,
        # No connection is kept: backends have few notices, and close theirs at a time of their own.
        force_close=True,
        use_dns_cache=False,
        ssl=ssl.create_default_context(),
        socket_factory=functools.partial(
            _checked_socket, is_encrypted=is_encrypted, networks=settings.allowed_networks
        ),
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(
            total=settings.timeout_seconds,
            connect=CONNECT_SECONDS,
            sock_connect=CONNECT_SECONDS,
            sock_read=READ_SECONDS,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": f"Switchboard/{version('livekit-switchboard')}",
            "Accept-Encoding": "identity",
        },
        auto_decompress=False,
        trust_env=False,
    )


def _checked_socket(address: AddressInfo, *, is_encrypted: bool, networks: tuple[Network, ...]) -> socket.socket:
    """Return a socket for this address, the one that is connected to. Raises AddressRefused.

    Here and not by the name: between a look-up for the check and another one for the connection, it could change.
    """
    family, kind, protocol, _, (host, *_) = address
    require_allowed(host, is_encrypted=is_encrypted, networks=networks)
    return socket.socket(family, kind, protocol)


def _problem_of(status: int) -> str:
    """Return why a status is no success, or ""."""
    if HTTP_OK <= status < HTTP_REDIRECT:
        return ""
    if HTTP_REDIRECT <= status < HTTP_BAD_REQUEST:
        return f"answered {status}; redirects are not followed"
    if status == HTTP_GONE:
        return f"answered {status}: it wants no more"
    return f"answered {status}"


async def _read(response: aiohttp.ClientResponse, content: bytearray) -> None:
    """Read the beginning of an answer into `content`, which has what has come also when the time is over."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(content) < ANSWER_BYTES and (part := await response.content.read(ANSWER_BYTES - len(content))):
                content += part
    finally:
        # The rest may be without end.
        response.close()


def _printable(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", "replace").split())
    return "".join(character if character.isprintable() else "?" for character in text)


def _seconds(retry_after: str) -> float | None:
    """Return the seconds of the header `Retry-After`, which has a number or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
