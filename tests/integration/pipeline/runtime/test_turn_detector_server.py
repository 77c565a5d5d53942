"""The end-of-turn process, used as livekit-agents' turn detectors use the model."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np
import pytest
from livekit.agents.inference import TurnDetector
from livekit.agents.inference.eot import transports
from livekit.local_inference import EOT, EOT_MAX_SAMPLES

from pipeline.runtime import turn_detector_server
from pipeline.runtime.turn_detector_server import RemoteEOT

NOISE = np.random.default_rng(0).normal(0, 3000, EOT_MAX_SAMPLES).astype(np.int16)


@contextmanager
def serving(listener: socket.socket) -> Iterator[int]:
    """A forked process that serves there, as a worker has it."""
    pid = os.fork()
    if not pid:
        try:
            turn_detector_server.serve(listener)
        finally:
            os._exit(1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        made.listen()
        yield made


@pytest.mark.parametrize("samples", [EOT_MAX_SAMPLES, 5000])
def test_the_process_predicts_what_the_model_does(listener: socket.socket, samples: int) -> None:
    with serving(listener):
        assert RemoteEOT(listener.getsockname()).predict(NOISE[:samples]) == EOT().predict(NOISE[:samples])


def test_a_request_waits_for_a_process_that_is_still_to_come(listener: socket.socket) -> None:
    asked = RemoteEOT(listener.getsockname())
    request = Client(listener.getsockname())
    request.send_bytes(NOISE.tobytes())
    with serving(listener):
        assert request.poll(5)
        assert asked.predict(NOISE) == EOT().predict(NOISE)
    request.close()


def test_a_client_that_sends_no_request_blocks_no_other(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not that of a call, which a busy machine may need for the model alone.
    monkeypatch.setattr(turn_detector_server, "ANSWER_SECONDS", 10.0)
    with serving(listener), Client(listener.getsockname()):
        asked = RemoteEOT(listener.getsockname())
        assert asked.predict(NOISE) == EOT().predict(NOISE)
        assert asked.remote


@pytest.mark.parametrize("request_bytes", [bytes(2 * EOT_MAX_SAMPLES + 2), b"odd"])
def test_a_request_that_the_model_refuses_ends_nothing_but_its_own_connection(
    listener: socket.socket, request_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_detector_server, "ANSWER_SECONDS", 10.0)
    with serving(listener):
        with Client(listener.getsockname()) as request:
            request.send_bytes(request_bytes)
            with pytest.raises(EOFError):
                request.recv_bytes()
        asked = RemoteEOT(listener.getsockname())
        assert asked.predict(NOISE) == EOT().predict(NOISE)
        assert asked.remote


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_call_predicts_on_its_own_when_the_process_is_away(
    listener: socket.socket, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    asked = RemoteEOT(listener.getsockname())
    with serving(listener) as pid:
        os.kill(pid, number)
        with caplog.at_level(logging.WARNING):
            assert asked.predict(NOISE) == EOT().predict(NOISE)
            assert asked.predict(NOISE) == EOT().predict(NOISE)
    assert not asked.remote
    assert caplog.messages == ["end-of-turn process away; using a model of this call's own"]


async def test_turn_detectors_of_livekit_agents_use_the_server(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set here too, so that the test restores it.
    monkeypatch.setattr(transports, "_EOT", EOT)
    turn_detector_server.install_remote_eot(listener.getsockname())
    stream = TurnDetector(version="v1-mini").stream()
    try:
        assert isinstance(vars(stream._transport)["_eot"], RemoteEOT)
    finally:
        await stream.aclose()
