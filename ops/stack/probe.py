"""A minimal HTTP client for readiness checks."""

from __future__ import annotations

import asyncio
import base64
import contextlib


async def http_status(host: str, port: int, path: str, *, login: str = "") -> int:
    """Return the status code of `GET path`. Raises OSError if nothing listens or the answer is not HTTP.

    `login`: `user:password`, for HTTP Basic.
    """
    authorization = f"Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n" if login else ""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n".encode())
        await writer.drain()
        words = (await reader.readline()).split()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - "HTTP/1.1 200"
        msg = f"{host}:{port}{path} did not answer in HTTP"
        raise ConnectionError(msg)
    return int(words[1])
