"""One address in front of several servers, as a managed Redis has it: where it leads can be changed.

Connections that are open stay with the server that they have, unless they are cut.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from ops.stack.ports import HOST

CHUNK = 1 << 16
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that resets a connection when it is closed."""


class Switch:
    """The address `port`, which leads to `target`, the port of a server on this machine.

    `cut_after`: bytes of each connection's answers after which it is reset; None for never. `refuse`: the number of
    connections that are closed without an answer, of those whose first request begins with `refused`.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut_after: int | None = None
        self.refuse = 0
        self.refused = b""
        self.port = 0
        self.accepted = 0
        self._open: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def serve(cls, target: int) -> AsyncIterator[Self]:
        """Serve on a free port."""
        switch = cls(target)
        server = await asyncio.start_server(switch._accept, HOST, 0)
        switch.port = server.sockets[0].getsockname()[1]
        try:
            yield switch
        finally:
            server.close()
            for task in switch._open:
                task.cancel()
            await asyncio.gather(*switch._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.accepted += 1
        try:
            with suppress(OSError):
                first = await reader.read(CHUNK) if self.refuse else b""
                if self.refuse and first.startswith(self.refused):
                    self.refuse -= 1
                    return
                await self._connect(reader, writer, first)
        finally:
            self._open.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes) -> None:
        answers, requests = await asyncio.open_connection(HOST, self.target)
        requests.write(first)
        forward = {
            asyncio.ensure_future(self._forward(reader, requests)),
            asyncio.ensure_future(self._forward(answers, writer, client=writer)),
        }
        try:
            await asyncio.wait(forward, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in forward:
                each.cancel()
            await asyncio.gather(*forward, return_exceptions=True)
            requests.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None = None
    ) -> None:
        while chunk := await reader.read(CHUNK):
            if client is not None and self.cut_after is not None:
                writer.write(chunk[: self.cut_after])
                client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                return
            writer.write(chunk)
            await writer.drain()
