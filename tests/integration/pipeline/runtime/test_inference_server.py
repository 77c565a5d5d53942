"""The inference process, started as a worker starts it, with a runner that an agent's module registers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.runtime.inference_server import InferenceClient

AGENT = """
from livekit.agents.inference_runner import _InferenceRunner

class Upper(_InferenceRunner):
    INFERENCE_METHOD = "upper"
    def initialize(self):
        self.suffix = b"!"
    def run(self, data):
        if data == b"bad":
            raise ValueError("it is bad")
        return data.upper() + self.suffix

_InferenceRunner.register_runner(Upper)

async def entrypoint(ctx): ...
"""


@contextmanager
def inference_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "upper_agent.py").write_text(AGENT)
    command = [sys.executable, "-m", "pipeline.runtime.inference_server", str(folder / "socket"), str(os.getpid())]
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[4])])
    agents = ("no_such_module:entrypoint", "upper_agent:entrypoint")
    server = subprocess.Popen([*command, *agents], env=os.environ | {"PYTHONPATH": paths})
    try:
        yield server
    finally:
        server.terminate()
        assert server.wait(10) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the socket of a running process is."""
    place = tmp_path_factory.mktemp("inference")
    with inference_process(place):
        yield place


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[InferenceClient]:
    connected = InferenceClient(folder / "socket")
    yield connected
    await connected.aclose()


async def test_many_requests_at_once_get_their_own_answers(client: InferenceClient) -> None:
    answers = await asyncio.gather(*(client.infer("upper", f"call {number}".encode()) for number in range(50)))
    assert answers == [f"CALL {number}!".encode() for number in range(50)]


async def test_an_error_of_a_runner_reaches_the_call_that_asked_and_no_other(client: InferenceClient) -> None:
    with pytest.raises(RuntimeError, match="ValueError: it is bad"):
        await client.infer("upper", b"bad")
    assert await client.infer("upper", b"good") == b"GOOD!"


async def test_an_unknown_method_lists_the_known_ones(client: InferenceClient) -> None:
    with pytest.raises(RuntimeError, match="no inference runner for 'lower'; known: upper"):
        await client.infer("lower", b"")


async def test_a_call_gets_an_error_when_the_process_has_ended(tmp_path: Path) -> None:
    client = InferenceClient(tmp_path / "socket")
    with inference_process(tmp_path):
        assert await client.infer("upper", b"here") == b"HERE!"
    await client.aclose()
    client = InferenceClient(tmp_path / "socket", connect_seconds=0.5)
    with pytest.raises(TimeoutError):
        await client.infer("upper", b"gone")
