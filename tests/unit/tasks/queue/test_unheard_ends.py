"""Tasks whose end Flower has not heard, in Flower's own state."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from flower.events import EventsState

from tasks.queue.flower.unheard_ends import CHECKS, CONFIRM_SECONDS, UnheardEnds

ONE = "celery@one"


@dataclass
class Known:
    """What Flower has heard, as of so many seconds ago, and the answers that workers give when they are asked."""

    state: Any = field(default_factory=lambda: EventsState(max_tasks_in_memory=100))
    answers: dict[str, Collection[str]] | None = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)
    _clock: int = 0

    def __post_init__(self) -> None:
        self.watch = UnheardEnds(SimpleNamespace(state=self.state), self._ask)

    def _ask(self, workers: Collection[str]) -> dict[str, Collection[str]]:
        self.asked.append(list(workers))
        if self.answers is None:
            raise OSError("Redis is away")
        return self.answers

    def hears(self, kind: str, ago: float = 30, worker: str = ONE, **fields: object) -> None:
        self._clock += 1
        at = time.time() - ago
        event = {"type": kind, "hostname": worker, "timestamp": at, "local_received": at, "clock": self._clock}
        self.state.event(event | fields)

    def starts(self, task: str, ago: float = 30, worker: str = ONE) -> None:
        self.hears("task-received", ago, worker, uuid=task, name="tasks.run_room")
        self.hears("task-started", ago, worker, uuid=task)

    def beats(self, ago: float = 0) -> None:
        self.hears("worker-heartbeat", ago, freq=2.0)

    async def shows(self, checks: int = CHECKS) -> dict[str, str]:
        """The states of the tasks after so many checks."""
        for _ in range(checks):
            await self.watch.check()
        return {uuid: task.state for uuid, task in self.state.itertasks()}


async def test_a_call_of_a_worker_that_beats_and_has_it_goes_on() -> None:
    known = Known(answers={ONE: {"RM_1:1"}})
    known.starts("RM_1:1", ago=3600)
    known.beats()
    assert await known.shows(10) == {"RM_1:1": "STARTED"}
    # It is asked once in a while, and not with each check.
    assert known.asked == [[ONE]]


async def test_a_confirmed_call_is_doubted_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known(answers={ONE: {"RM_1:1"}})
    known.starts("RM_1:1")
    known.beats()
    assert await known.shows(1) == {"RM_1:1": "STARTED"}
    known.answers = {ONE: set()}
    then = time.time() + CONFIRM_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: then)
    assert await known.shows() == {"RM_1:1": "UNKNOWN"}


async def test_a_call_whose_worker_is_silent_and_does_not_answer_was_lost_after_two_checks() -> None:
    known = Known()
    known.beats(40)
    known.starts("RM_1:1")
    assert await known.shows(CHECKS - 1) == {"RM_1:1": "STARTED"}
    assert await known.shows(1) == {"RM_1:1": "RETRY"}
    assert known.state.tasks["RM_1:1"].result == "lost: its worker is gone"
    # That was no sign of life of it.
    assert not known.state.workers[ONE].alive


async def test_a_worker_that_is_slow_to_answer_and_beats_keeps_its_calls() -> None:
    known = Known()
    known.starts("RM_1:1")
    known.beats()
    assert await known.shows(10) == {"RM_1:1": "STARTED"}


async def test_a_silent_worker_that_answers_keeps_its_calls() -> None:
    known = Known(answers={ONE: {"RM_1:1"}})
    known.beats(40)
    known.starts("RM_1:1")
    assert await known.shows(10) == {"RM_1:1": "STARTED"}


async def test_nothing_is_lost_while_redis_is_away() -> None:
    known = Known(answers=None)
    known.beats(40)
    known.starts("RM_1:1")
    assert await known.shows(10) == {"RM_1:1": "STARTED"}


async def test_an_end_that_was_not_heard_is_unknown_until_it_is_heard_after_all() -> None:
    known = Known(answers={ONE: set()})
    known.starts("RM_1:1")
    known.beats()
    assert await known.shows() == {"RM_1:1": "UNKNOWN"}
    assert known.state.tasks["RM_1:1"].result.startswith("its end was not heard")
    known.hears("task-succeeded", 0, uuid="RM_1:1", result="'ended by agent: done'")
    assert await known.shows() == {"RM_1:1": "SUCCESS"}


async def test_an_attempt_is_over_when_a_later_one_was_started_a_moment_ago() -> None:
    known = Known(answers={ONE: {"RM_1:2"}})
    known.starts("RM_1:1", ago=60)
    known.starts("RM_1:2", ago=1)
    known.beats()
    # Its own end may still be on its way: it may have been handed over.
    assert (await known.shows(1))["RM_1:1"] == "STARTED"
    known.hears("task-received", 30, uuid="RM_1:2", name="tasks.run_room")
    assert await known.shows(1) == {"RM_1:1": "RETRY", "RM_1:2": "STARTED"}


async def test_a_call_that_has_just_started_is_not_doubted() -> None:
    known = Known()
    known.starts("RM_1:1", ago=1)
    assert await known.shows(10) == {"RM_1:1": "STARTED"}
    assert known.asked == []


async def test_a_call_that_no_child_has_accepted_yet_is_doubted_later() -> None:
    known = Known(answers={ONE: set()})
    known.hears("task-received", 30, uuid="RM_1:1", name="tasks.run_room")
    known.hears("task-received", CONFIRM_SECONDS + 30, uuid="RM_2:1", name="tasks.run_room")
    known.beats()
    assert await known.shows() == {"RM_1:1": "RECEIVED", "RM_2:1": "UNKNOWN"}


async def test_an_end_that_is_heard_while_the_worker_is_asked_counts() -> None:
    known = Known(answers={ONE: set()})
    known.starts("RM_1:1")
    known.beats()
    await known.watch.check()
    ask = known.watch.ask

    def ask_late(workers: Collection[str]) -> Any:
        known.hears("task-succeeded", 0, uuid="RM_1:1", result="'ended'")
        return ask(workers)

    known.watch.ask = ask_late
    assert await known.shows(1) == {"RM_1:1": "SUCCESS"}


async def test_tasks_of_other_names_and_of_no_worker_are_left_alone() -> None:
    known = Known()
    known.hears("task-sent", uuid="0af7-whatever", name="theirs")
    assert await known.shows() == {"0af7-whatever": "PENDING"}
    assert known.asked == []
