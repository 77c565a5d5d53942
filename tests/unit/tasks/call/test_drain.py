from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time

import pytest

from tasks.call import drain
from tasks.call.drain import HAND_OVER_SECONDS, PATIENCE_SECONDS, POLL_SECONDS, Drain
from tests.unit.conventions.source_tree import ROOT


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(drain, "time", made)
    return made


def seen(one: Drain) -> tuple[bool, bool, bool, bool]:
    return one.begun, one.hand_over, one.forced, one.overdue


def test_a_worker_that_was_not_asked_to_does_not_drain() -> None:
    assert seen(Drain()) == (False, False, False, False)


def test_calls_go_on_for_the_drain_time_and_are_then_handed_over(clock: Clock) -> None:
    one = Drain()
    one.begin(300)
    assert seen(one) == (True, False, False, False)
    clock.now += 299
    assert seen(one) == (True, False, False, False)
    clock.now += 1
    assert seen(one) == (True, True, False, False)


def test_a_child_that_has_not_left_in_time_is_overdue(clock: Clock) -> None:
    one = Drain()
    one.begin(300)
    clock.now += 300 + HAND_OVER_SECONDS - 1
    assert not one.overdue
    clock.now += 1
    assert seen(one) == (True, True, False, True)


def test_a_second_beginning_gives_no_more_time(clock: Clock) -> None:
    one = Drain()
    one.begin(10)
    clock.now += 9
    one.begin(10)
    clock.now += 1
    assert one.hand_over


def test_a_forced_drain_hands_over_at_once_and_has_a_time_limit_too(clock: Clock) -> None:
    one = Drain()
    one.begin(300)
    clock.now += 5
    one.force()
    assert seen(one) == (True, True, True, False)
    clock.now += HAND_OVER_SECONDS
    assert one.overdue


def test_a_drain_may_be_forced_from_its_beginning(clock: Clock) -> None:
    one = Drain()
    one.force()
    assert seen(one) == (True, True, True, False)
    one.begin(300)
    assert one.hand_over


def test_a_drain_that_is_forced_late_does_not_move_the_time_limit(clock: Clock) -> None:
    one = Drain()
    one.begin(0)
    clock.now += HAND_OVER_SECONDS - 1
    one.force()
    clock.now += 1
    assert one.overdue


def test_a_drain_without_time_hands_over_at_once_between_two_turns() -> None:
    one = Drain()
    one.begin(0)
    assert (one.begun, one.hand_over, one.forced) == (True, True, False)


async def test_a_call_is_due_between_two_turns_once_the_drain_time_is_over() -> None:
    turns = asyncio.Event()
    waited: list[float] = []

    async def between_turns(seconds: float) -> None:
        waited.append(seconds)
        await turns.wait()

    one = Drain()
    due = asyncio.create_task(one.due(between_turns, lambda: False))
    await asyncio.sleep(2 * POLL_SECONDS)
    assert not waited
    one.begin(0)
    await asyncio.sleep(3 * POLL_SECONDS)
    assert waited == [PATIENCE_SECONDS]
    assert not due.done()
    turns.set()
    await asyncio.wait_for(due, 5)


async def test_a_call_is_due_in_the_middle_of_a_turn_if_the_drain_is_forced() -> None:
    async def between_turns(_: float) -> None:
        await asyncio.Event().wait()

    one = Drain()
    one.begin(0)
    due = asyncio.create_task(one.due(between_turns, lambda: False))
    await asyncio.sleep(3 * POLL_SECONDS)
    assert not due.done()
    one.force()
    await asyncio.wait_for(due, 5)


def test_two_drains_have_nothing_in_common() -> None:
    one, other = Drain(), Drain()
    one.force()
    assert not other.begun


def test_a_child_that_was_forked_before_sees_what_its_parent_does_afterwards() -> None:
    # In a process of its own, which forks while it has one thread, as the worker does.
    program = textwrap.dedent("""
        import os
        from tasks.call.drain import Drain

        drain = Drain()

        asks, hears = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            for _ in range(3):
                os.read(asks[0], 1)
                os.write(hears[1], bytes([drain.begun, drain.hand_over, drain.forced]))
            os._exit(0)

        def seen():
            os.write(asks[1], b"?")
            return list(os.read(hears[0], 3))

        before = seen()
        drain.begin(3600)
        begun = seen()
        drain.force()
        print(before, begun, seen())
        os.waitpid(child, 0)
    """)
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0, 0, 0] [1, 0, 0] [1, 1, 1]"
    assert time.monotonic() - began < 60
