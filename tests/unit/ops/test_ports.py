from __future__ import annotations

import socket

import pytest

from ops.stack import ports
from ops.stack.errors import NoFreePort
from ops.stack.ports import HOST, PortPicker


def test_no_port_is_given_twice() -> None:
    picker = PortPicker()

    given = [picker.pick() for _ in range(50)]

    assert len(set(given)) == 50


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_somebody_has_is_not_given(kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = PortPicker().pick()
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((HOST, taken))
        monkeypatch.setattr(ports, "LOW", taken)
        monkeypatch.setattr(ports, "HIGH", taken + 1)

        with pytest.raises(NoFreePort, match=f"between {taken} and {taken + 1}"):
            PortPicker().pick()
