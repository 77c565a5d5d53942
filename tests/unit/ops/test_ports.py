from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from ops.stack import ports
from ops.stack.errors import NoFreePort
from ops.stack.ports import HOST, PortPicker

PICKS = "from ops.stack.ports import PortPicker; print(PortPicker().pick(), flush=True); input()"


def only(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be only this port to choose from, and let it not have been given by this process."""
    monkeypatch.setattr(ports, "LOW", port)
    monkeypatch.setattr(ports, "HIGH", port + 1)
    monkeypatch.setattr(PortPicker, "_given", set())


def test_no_port_is_given_twice_by_whichever_picker() -> None:
    given = [PortPicker().pick() for _ in range(50)]

    assert len(set(given)) == 50


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_somebody_has_is_not_given(kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = PortPicker().pick()
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((HOST, taken))
        only(taken, monkeypatch)

        with pytest.raises(NoFreePort, match=f"between {taken} and {taken + 1}"):
            PortPicker().pick()


def test_a_port_that_another_process_has_picked_and_does_not_use_yet_is_not_given_until_that_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen([sys.executable, "-c", PICKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        picked = int(other.stdout.readline())
        only(picked, monkeypatch)
        with pytest.raises(NoFreePort):
            PortPicker().pick()
        other.communicate(b"\n")
    assert PortPicker().pick() == picked
