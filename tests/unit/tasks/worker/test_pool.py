"""The pool's children, without a worker around them."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from kombu.asynchronous.hub import Hub

from tasks.worker.pool.one_shot_pool import _OneShotAsynPool


class Pool(_OneShotAsynPool):
    """A pool without processes, which counts how often it would look for children that have exited."""

    def __init__(self, *children: object) -> None:
        self._pool = list(children)
        self.looked = 0

    def maintain_pool(self) -> None:
        self.looked += 1
        self._pool.clear()


@pytest.fixture
def hub() -> Hub:
    return Hub()


def test_a_child_that_has_exited_as_redis_comes_back_is_reaped_and_does_not_end_its_worker(hub: Hub) -> None:
    reading, writing = os.pipe()
    child = SimpleNamespace(_sentinel_poll=reading)
    pool = Pool(child)
    os.close(writing)
    pool._untrack_child_process(child, hub)

    pool._track_child_process(child, hub)

    assert hub.readers == {}
    (scheduled,) = hub.timer.queue
    scheduled.entry()
    assert pool.looked == 1


def test_a_child_that_lives_is_tracked_again_after_a_reconnect(hub: Hub) -> None:
    reading, writing = os.pipe()
    child = SimpleNamespace(_sentinel_poll=reading)
    Pool(child)._track_child_process(child, hub)
    assert list(hub.readers) == [reading]
    hub.remove(reading)
    for end in (reading, writing):
        os.close(end)
