"""The headers of each response, and the check that a form was sent by one of the console's own pages."""

from __future__ import annotations

import hmac
import re
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


def policy(livekit_url: str) -> str:
    """Return the Content-Security-Policy: everything comes from the console itself, and no code or style is inline.

    Browsers may connect to the LiveKit server too: over WebSocket, and over HTTP, by which its client asks why that
    failed.
    """
    server = urlsplit(livekit_url)
    pair = ("wss", "https") if server.scheme == "wss" else ("ws", "http")
    livekit = " ".join(f"{scheme}://{server.netloc}" for scheme in pair)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
        f"connect-src 'self' {livekit}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


class SecurityHeaders:
    """ASGI middleware that adds the headers which keep pages from being framed, sniffed, cached or changed."""

    def __init__(self, app: ASGIApp, *, policy: str, secure: bool) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if secure:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                # Pages have what was said in calls, and names of callers.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def is_of_own_page(request: Request) -> bool:
    """Return whether a browser has sent this from one of the console's own pages, as far as its headers tell."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")


def same_token(sent: str, expected: str) -> bool:
    """Return whether a form's token is that of its session. Takes the same time for each."""
    return bool(expected) and hmac.compare_digest(sent.encode(), expected.encode())


def local_path(target: str) -> str:
    """Return a path of the console to go to, or `/` if the target is none: it may be anybody's."""
    return target if re.fullmatch(r"/(?![/\\])[\w./?=&%:+~-]*", target) else "/"
