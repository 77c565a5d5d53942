"""The reason why a connection over HTTP or WebSocket has failed, as a part of a sentence."""

from __future__ import annotations

import socket

import aiohttp

_PROBLEMS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    # The more special ones first.
    ((TimeoutError,), "does not answer in time"),
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), "has a host name that cannot be resolved"),
    ((aiohttp.ClientConnectorCertificateError,), "has a certificate that this host does not trust"),
    ((aiohttp.ClientSSLError,), "does not speak TLS as we do"),
    ((aiohttp.ClientConnectorError, ConnectionRefusedError), "cannot be connected to"),
    ((aiohttp.InvalidURL,), "has an address that is not one"),
    ((aiohttp.ServerDisconnectedError, ConnectionError), "closes the connection"),
)


def problem_of(failure: Exception) -> str:
    """Return what the failure means, to follow the name of the server. It repeats nothing that was sent."""
    if isinstance(failure, aiohttp.WSServerHandshakeError):
        return f"answers with {failure.status} instead of a WebSocket"
    unknown = f"does not answer as it should ({type(failure).__name__})"
    return next((text for kinds, text in _PROBLEMS if isinstance(failure, kinds)), unknown)
