"""livekit-agents' local end-of-turn model (EOT), served to all calls of a worker by one process.

The model's weights are loaded before the fork and shared. Its working memory is not: each process that has used it once
keeps 19 MB. A prediction takes all cores for some 20 ms, and the library runs one at a time, so a process for each call
would not be faster.

A request is one connection to a Unix socket: 16-bit PCM out, a double back.
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
"""The time limit for an answer. livekit-agents gives up after a second."""
REQUEST_SECONDS = 0.1
"""The time limit for receiving a request. It is written at once, unless its process was stopped meanwhile."""

_PROBABILITY = struct.Struct("=d")

logger = logging.getLogger("switchboard.pipeline.end_of_turn")


def serve(listener: socket.socket) -> None:
    """Answer requests one after the other, for ever."""
    model = EOT()
    while True:
        # The client may be gone before its answer, or ask what the model refuses.
        with contextlib.suppress(OSError, EOFError, ValueError), Connection(listener.accept()[0].detach()) as client:
            if client.poll(REQUEST_SECONDS):
                pcm = np.frombuffer(client.recv_bytes(), dtype=np.int16)
                client.send_bytes(_PROBABILITY.pack(model.predict(pcm)))


def install_remote_eot(address: str) -> None:
    """Have the turn detectors of this process, and of those forked from it, use the server at this address."""

    class _RemoteEOT(RemoteEOT):
        def __init__(self) -> None:
            super().__init__(address)

    # The class of which each turn detector makes an object.
    setattr(transports, "_EOT", _RemoteEOT)  # noqa: B010 - mypy does not know it


class RemoteEOT:
    """A replacement of `livekit.local_inference.EOT` that asks the server, for one call.

    After the first request that the server does not answer in time, it uses a model of its own.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._local: EOT | None = None
        self._fallback = threading.Lock()

    @property
    def remote(self) -> bool:
        """True as long as the server has answered."""
        return self._local is None

    def predict(self, pcm: npt.NDArray[np.int16]) -> float:
        """Return the probability that the turn has ended, in [0, 1]. Called in threads, and blocks."""
        if self._local is None:
            try:
                return self._request(pcm.tobytes())
            except (OSError, EOFError) as error:
                return self._local_model(error).predict(pcm)
        return self._local.predict(pcm)

    def close(self) -> None:
        """Do nothing: no connection is kept open."""

    def _request(self, pcm: bytes) -> float:
        with Client(self._address) as connection:
            connection.send_bytes(pcm)
            if not connection.poll(ANSWER_SECONDS):
                raise TimeoutError
            (probability,) = _PROBABILITY.unpack(connection.recv_bytes())
        return float(probability)

    def _local_model(self, error: Exception) -> EOT:
        with self._fallback:
            if self._local is None:
                logger.warning(
                    "end-of-turn process away; using a model of this call's own", extra={"error": type(error).__name__}
                )
                self._local = EOT()
            return self._local
