"""Thousands of actions in any order, some late, some twice, some never: Redis must hold what the model holds."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from ops.stack import Binaries, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.rooms import ClaimRefusal, CloseResult, EndRequestResult, LossCause, OpenResult, RenewResult, RequeueResult
from tests.integration.tasks.rooms.machine import RoomMachine
from tests.integration.tasks.rooms.waitlist_machine import WaitListMachine

EXAMPLES = int(os.environ.get("ROOM_MACHINE_EXAMPLES", "0"))
"""More of them, and others each time, for whoever has changed a script: `ROOM_MACHINE_EXAMPLES=3000`."""

USUAL_EXAMPLES: dict[type[RoomMachine], int] = {
    RoomMachine: 260,
    # It has reached its last result of admission in the 45th.
    WaitListMachine: 130,
}

PROFILE = settings(
    derandomize=not EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def play(binaries: Binaries, tmp_path: Path) -> Callable[[type[RoomMachine]], Counter[object]]:
    """Run a machine on a redis-server of its own. Returns how often each action had each result."""

    def played(machine: type[RoomMachine]) -> Counter[object]:
        server = RedisServer(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
        reached: Counter[object] = Counter()
        with asyncio.Runner() as runner:
            runner.run(server.start())
            client = server.client()
            try:
                run_state_machine_as_test(
                    cast("type[RuleBasedStateMachine]", lambda: machine(runner, client, reached)),
                    settings=settings(PROFILE, max_examples=EXAMPLES or USUAL_EXAMPLES[machine]),
                )
            finally:
                runner.run(client.aclose())
                runner.run(server.stop())
        return reached

    return played


# A result that the machine never reached is not tested.
def _every(answers: dict[str, Iterable[object]]) -> set[tuple[str, object]]:
    return {(action, answer) for action in answers for answer in answers[action]}


def test_no_order_of_events_forgets_a_room_or_answers_it_twice(
    play: Callable[[type[RoomMachine]], Counter[object]],
) -> None:
    answers: dict[str, Iterable[object]] = {
        "open": set(OpenResult) - {OpenResult.WAITING, OpenResult.BUSY},
        "close": CloseResult,
        "claim": {None, *ClaimRefusal} - {ClaimRefusal.WAITING},
        "renew": RenewResult,
        "conversation": {RenewResult.RENEWED, RenewResult.LOST},
        "request end": EndRequestResult,
        "request move": (True, False),
        "requeue lost messages": [0, 1, 2],
        **{f"requeue, {cause}": RequeueResult for cause in (LossCause.FAILED, LossCause.LEASE_EXPIRED)},
        # It fails no attempt, so it is seldom the last.
        f"requeue, {LossCause.HANDED_OVER}": set(RequeueResult) - {RequeueResult.DEAD},
        **dict.fromkeys(
            ("return message", "delay", "end", "dead letter", "dead letter without a tenant"), (True, False)
        ),
    }
    assert _every(answers) <= play(RoomMachine).keys()


def test_no_order_of_events_exceeds_a_limit_leaks_a_permit_or_lets_a_room_in_out_of_turn(
    play: Callable[[type[RoomMachine]], Counter[object]],
) -> None:
    answers: dict[str, Iterable[object]] = {
        "open": OpenResult,
        "close": [CloseResult.CANCELLED, CloseResult.CLOSING],
        "claim": [None, ClaimRefusal.WAITING],
        "end": [True],
        "set limits": [True, False],
        "expire waits": [0, 1, 2],
        "repair": ["nothing", "too many", "too few", "waitlist", "all permits"],
    }
    assert _every(answers) <= play(WaitListMachine).keys()
