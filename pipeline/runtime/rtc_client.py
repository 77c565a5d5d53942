"""livekit's native (FFI) client in this process: started, warmed up, and with its log off.

It hands its log to Python line by line, from its own threads, and each line waits for the interpreter's lock: 140 lines
before a first connection is opened, and some 30 in each second of a call, which Python then drops for their level. So
the log is off until `enable_logs`, unless LIVEKIT_RTC_DEBUG is set. The reason for a failed join is in its exception.

This is private API of livekit. Its version is pinned, and tests/integration/pipeline/runtime/test_rtc_client.py fails
when it moves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from types import SimpleNamespace

from livekit import rtc
from livekit.rtc import _ffi_client
from livekit.rtc.version import __version__

logger = logging.getLogger("switchboard.pipeline.rtc_client")

WARM_UP_SECONDS = 2.0
LOOPBACK = "127.0.0.1"
_REFUSAL = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def start() -> None:
    """Start the client, in a process that will not be forked. A panic of the client ends the process."""
    # The client does that by SIGTERM, which a child of the worker disregards.
    vars(_ffi_client)["signal"] = SimpleNamespace(SIGTERM=signal.SIGKILL)
    _forward_logs(_is_debugged())


def enable_logs() -> None:
    """Forward the client's log to Python from now on."""
    _forward_logs(True)  # noqa: FBT003 - as below


async def warm_up() -> None:
    """Connect to a server of our own, which refuses, so that the client has done what it does once in each process.

    It reads the host's certificates, starts WebRTC's threads and looks up the operating system, in 20 to 40 ms. Behind
    an HTTP proxy this is left out, as the client knows no exceptions from a proxy. Where it was left out or has failed,
    the call does it for itself.
    """
    if _variable("HTTP_PROXY") or _variable("http_proxy"):
        return
    try:
        async with asyncio.timeout(WARM_UP_SECONDS), await asyncio.start_server(_refuse, LOOPBACK, 0) as server:
            _, port = server.sockets[0].getsockname()
            with contextlib.suppress(rtc.ConnectError):
                await rtc.Room().connect(f"ws://{LOOPBACK}:{port}", "warm-up")
    except Exception:
        logger.debug("warm-up of the rtc client failed", exc_info=True)


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_REFUSAL)
        await writer.drain()
    writer.close()


def _forward_logs(enabled: bool) -> None:  # noqa: FBT001 - as the client's function takes it
    client = _ffi_client.FfiClient.instance
    client._ffi_lib.livekit_ffi_initialize(
        _ffi_client.ffi_event_callback, enabled, b"python", __version__.encode("ascii")
    )


def _is_debugged() -> bool:
    return _variable("LIVEKIT_RTC_DEBUG").strip().lower() in {"true", "1"}


def _variable(name: str) -> str:
    return os.environ.get(name, "")  # noqa: TID251 - variables that the client itself reads
