"""What all tests with real processes share: how those are started."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import fork_client


@pytest.fixture(scope="session", autouse=True)
def forked_processes() -> Iterator[None]:
    """Start Python's processes without the CPU of their imports."""
    with fork_client.forked_processes():
        yield


@pytest.fixture(scope="module")
def own_interpreters() -> Iterator[None]:
    """Start them as operators do, for the tests of a module that are about the start or measure the process."""
    with fork_client.own_interpreters():
        yield
