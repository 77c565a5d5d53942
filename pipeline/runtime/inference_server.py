"""The inference process: models that plugins share over all calls of a worker, such as a turn detector's.

livekit-agents' worker has such a process too, and its runners (`_InferenceRunner`) run here unmodified. Calls connect
over a Unix socket. A frame is a 4-byte big-endian length and one of livekit-agents' own messages, `InferenceRequest`
or `InferenceResponse`.

`python -m pipeline.runtime.inference_server SOCKET PARENT_PID AGENT…` serves until it is terminated or its parent
is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from livekit.agents.inference_runner import _InferenceRunner
from livekit.agents.ipc import proto
from livekit.agents.ipc.channel import Message, _read_message, _write_message

from pipeline.errors import AgentNotFound
from pipeline.runtime.agent_hooks import load_hooks

CONNECT_SECONDS = 30.0
RETRY_SECONDS = 0.1
PARENT_CHECK_SECONDS = 1.0

_LENGTH = struct.Struct(">I")

logger = logging.getLogger("switchboard.pipeline.inference")


async def _receive(reader: asyncio.StreamReader) -> Message:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return _read_message(await reader.readexactly(length), proto.IPC_MESSAGES)


def _send(writer: asyncio.StreamWriter, message: Message) -> None:
    content = _write_message(message)
    writer.write(_LENGTH.pack(len(content)) + content)


class InferenceClient:
    """One call's connection to the inference process, opened for the first request, and again after it was lost."""

    def __init__(self, socket: Path, *, connect_seconds: float = CONNECT_SECONDS) -> None:
        self._socket = socket
        self._connect_seconds = connect_seconds
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[proto.InferenceResponse]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def infer(self, method: str, data: bytes) -> bytes | None:
        """Return the answer of the runner for `method`.

        Raises RuntimeError with the runner's error, and OSError if the process is away.
        """
        writer = await self._open()
        request = proto.InferenceRequest(method=method, request_id=str(next(self._numbers)), data=data)
        answer: asyncio.Future[proto.InferenceResponse] = asyncio.get_running_loop().create_future()
        self._waiting[request.request_id] = answer
        try:
            _send(writer, request)
            await writer.drain()
            response = await answer
        finally:
            del self._waiting[request.request_id]
        if response.error:
            raise RuntimeError(response.error)
        return response.data

    async def aclose(self) -> None:
        """Close the connection if it is open."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _open(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None or self._writer.is_closing():
                # The process may still be loading its models.
                async with asyncio.timeout(self._connect_seconds):
                    reader, self._writer = await self._connect()
                self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            try:
                return await asyncio.open_unix_connection(self._socket)
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                response = await _receive(reader)
                if isinstance(response, proto.InferenceResponse) and response.request_id in self._waiting:
                    self._waiting[response.request_id].set_result(response)
        except (asyncio.IncompleteReadError, OSError):
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("the inference process has ended"))
        finally:
            writer.close()


class InferenceServer:
    """The server in the inference process. Its runners run in a pool of threads."""

    def __init__(self) -> None:
        self._runners = {name: runner() for name, runner in _InferenceRunner.registered_runners.items()}
        self._threads = ThreadPoolExecutor(max_workers=os.cpu_count())
        for name, runner in self._runners.items():
            runner.initialize()
            logger.info("inference runner ready", extra={"method": name})

    async def serve(self, socket: Path, parent: int) -> None:
        """Serve until SIGTERM, or until the parent process has ended."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        # Not as a context manager: leaving it would wait for the calls that are connected.
        server = await asyncio.start_unix_server(self._answer_all, socket)
        while os.getppid() == parent and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PARENT_CHECK_SECONDS)
        server.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering: set[asyncio.Task[None]] = set()
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                request = await _receive(reader)
                if isinstance(request, proto.InferenceRequest):
                    task = asyncio.create_task(self._answer(request, writer))
                    answering.add(task)
                    task.add_done_callback(answering.discard)
        for task in answering:
            task.cancel()
        writer.close()

    async def _answer(self, request: proto.InferenceRequest, writer: asyncio.StreamWriter) -> None:
        response = proto.InferenceResponse(request_id=request.request_id)
        runner = self._runners.get(request.method)
        if runner is None:
            response.error = f"no inference runner for {request.method!r}; known: {', '.join(self._runners)}"
        else:
            loop = asyncio.get_running_loop()
            try:
                response.data = await loop.run_in_executor(self._threads, runner.run, request.data)
            except Exception as error:
                logger.exception("inference failed", extra={"method": request.method})
                response.error = f"{type(error).__name__}: {error}"
        _send(writer, response)
        await writer.drain()


def is_needed() -> bool:
    """Return whether a plugin of an imported agent has registered a runner."""
    return bool(_InferenceRunner.registered_runners)


def main(arguments: Sequence[str]) -> None:
    """Import the agents, which registers their runners, and serve these.

    `arguments`: the socket's path, the parent's process id, and the agents.
    """
    socket, parent, *agents = arguments
    for agent in agents:
        # The worker has logged an agent that cannot be imported. The other agents need their models all the same.
        with contextlib.suppress(AgentNotFound):
            load_hooks(agent)
    asyncio.run(InferenceServer().serve(Path(socket), int(parent)))


if __name__ == "__main__":
    main(sys.argv[1:])
