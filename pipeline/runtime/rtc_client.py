"""livekit's native client in this process: started, warmed up, and quiet unless there is trouble.

It hands its log to Python line by line, from its own threads, and each line waits for the interpreter's lock: 140 of
them before a first connection is even opened, and some 30 in each second of a call, to be dropped there for their
level. So it says nothing until `hear`, unless LIVEKIT_RTC_DEBUG is set. Why a room cannot be joined its exception says.

This is private API of livekit: its version is pinned, and tests/integration/pipeline/runtime/test_rtc_client.py fails
loudly when it moves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from livekit import rtc
from livekit.rtc import _ffi_client
from livekit.rtc.version import __version__

logger = logging.getLogger("switchboard.pipeline.rtc_client")

REHEARSAL_SECONDS = 2.0
LOOPBACK = "127.0.0.1"
_REFUSAL = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def start() -> None:
    """Start it, in a process that will not be forked."""
    _pass_logs_on(_is_debugged())


def hear() -> None:
    """Have its log from now on."""
    _pass_logs_on(True)  # noqa: FBT003 - as below


async def rehearse() -> None:
    """Connect to a server of our own, which refuses: what the client does once in each process, it has done then.

    It reads the host's certificates, starts WebRTC's threads and asks after the operating system. It takes 20 to 40 ms.
    Where the client would ask a proxy for this server too, nothing happens: it knows no exceptions from one. What was
    not rehearsed, for this or another reason, the call does for itself.
    """
    if _variable("HTTP_PROXY") or _variable("http_proxy"):
        return
    try:
        async with asyncio.timeout(REHEARSAL_SECONDS), await asyncio.start_server(_refuse, LOOPBACK, 0) as server:
            _, port = server.sockets[0].getsockname()
            with contextlib.suppress(rtc.ConnectError):
                await rtc.Room().connect(f"ws://{LOOPBACK}:{port}", "rehearsal")
    except Exception:
        logger.debug("livekit's client was not rehearsed", exc_info=True)


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_REFUSAL)
        await writer.drain()
    writer.close()


def _pass_logs_on(them: bool) -> None:  # noqa: FBT001 - it is what the client's function takes
    client = _ffi_client.FfiClient.instance
    client._ffi_lib.livekit_ffi_initialize(  # noqa: SLF001
        _ffi_client.ffi_event_callback, them, b"python", __version__.encode("ascii")
    )


def _is_debugged() -> bool:
    return _variable("LIVEKIT_RTC_DEBUG").strip().lower() in {"true", "1"}


def _variable(name: str) -> str:
    """One that the client itself reads."""
    return os.environ.get(name, "")  # noqa: TID251 - see above
