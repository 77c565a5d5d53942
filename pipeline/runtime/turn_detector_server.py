"""livekit-agents' local end-of-turn model, run for all calls of a worker in one process.

Its weights are loaded before the fork and shared. What it computes in is not: each process that has once asked it keeps
19 MB. A prediction takes all cores for some 20 ms and the library lets one through at a time, so a process for each
call would not be faster.

A request is one connection to a Unix socket: 16-bit PCM there, a double back.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
from multiprocessing.connection import Client, Connection

import numpy as np
import numpy.typing as npt
from livekit.agents.inference.eot import transports
from livekit.local_inference import EOT

ANSWER_SECONDS = 0.5
"""How long an answer is waited for: livekit-agents gives up after a second."""
REQUEST_SECONDS = 0.1
"""How long a request may take to come. It is written at once, unless its process was stopped meanwhile."""

_PROBABILITY = struct.Struct("=d")

logger = logging.getLogger("switchboard.pipeline.end_of_turn")


def serve(listener: socket.socket) -> None:
    """Answer one request after the other, for ever."""
    model = EOT()
    while True:
        # Whoever has asked may be gone before the answer.
        with contextlib.suppress(OSError, EOFError), Connection(listener.accept()[0].detach()) as asked:
            if asked.poll(REQUEST_SECONDS):
                pcm = np.frombuffer(asked.recv_bytes(), dtype=np.int16)
                asked.send_bytes(_PROBABILITY.pack(model.predict(pcm)))


def share(address: str) -> None:
    """Have all turn detectors of this process, and of those forked from it, ask the process that serves there."""

    class _Shared(SharedEndOfTurn):
        def __init__(self) -> None:
            super().__init__(address)

    # What the detectors make, for each call one.
    setattr(transports, "_EOT", _Shared)  # noqa: B010 - it is private, and mypy does not know it


class SharedEndOfTurn:
    """In the place of `livekit.local_inference.EOT`, for one call.

    From the first time that the process is away or too slow, the call predicts on its own.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._own: EOT | None = None
        self._giving_up = threading.Lock()

    @property
    def shared(self) -> bool:
        """Whether the process has answered so far."""
        return self._own is None

    def predict(self, pcm: npt.NDArray[np.int16]) -> float:
        """The probability that the turn has ended, in [0, 1]. Called in threads, and blocks."""
        if self._own is None:
            try:
                return self._ask(pcm.tobytes())
            except (OSError, EOFError) as error:
                return self._give_up(error).predict(pcm)
        return self._own.predict(pcm)

    def close(self) -> None:
        """Nothing is kept open."""

    def _ask(self, pcm: bytes) -> float:
        with Client(self._address) as asking:
            asking.send_bytes(pcm)
            if not asking.poll(ANSWER_SECONDS):
                raise TimeoutError
            (probability,) = _PROBABILITY.unpack(asking.recv_bytes())
        return float(probability)

    def _give_up(self, error: Exception) -> EOT:
        with self._giving_up:
            if self._own is None:
                logger.warning("the end-of-turn process is away", extra={"error": type(error).__name__})
                self._own = EOT()
            return self._own
