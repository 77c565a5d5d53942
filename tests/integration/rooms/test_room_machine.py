"""Thousands of actions in any order, by workers that are late, twice, or dead: Redis must hold what the model holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from ops.stack import Binaries, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.rooms import Closed, Found, Lease, Losing, Lost, Refusal
from tests.integration.rooms.machine import RoomMachine

PROFILE = settings(
    derandomize=True,
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_no_order_of_events_forgets_a_room_or_answers_it_twice(binaries: Binaries, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    reached: Counter[object] = Counter()
    with asyncio.Runner() as runner:
        runner.run(server.start())
        client = server.client()
        try:
            run_state_machine_as_test(
                cast("type[RuleBasedStateMachine]", lambda: RoomMachine(runner, client, reached)), settings=PROFILE
            )
        finally:
            runner.run(client.aclose())
            runner.run(server.stop())
    # A machine that never got there has proved nothing.
    answers: dict[str, Iterable[object]] = {
        "open": Found,
        "close": Closed,
        "claim": [None, *Refusal],
        "renew": Lease,
        "find tasks": [0, 1, 2],
        **{f"lose, {how}": Lost for how in (Losing.FAILED, Losing.IF_EXPIRED)},
        # It fails no attempt, so it is seldom the last.
        f"lose, {Losing.HANDED_OVER}": set(Lost) - {Lost.DEAD},
        **dict.fromkeys(("put back", "conversation", "end", "bury", "bury unopened"), (True, False)),
    }
    assert {(action, answer) for action in answers for answer in answers[action]} <= reached.keys()
