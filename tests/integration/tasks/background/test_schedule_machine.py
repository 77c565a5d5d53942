"""Events, tries, crashes and late messages in any order: each notice is delivered, those of a call in their order."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from ops.stack import Binaries, environment
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tasks.background.notices import Delivery, NoticeState, NoticeStore, TryResult, keys
from tasks.rooms.keys import NOTICE_EVENTS
from tests.integration.tasks.background.office import settings_with
from tests.support.key_leaks import leaked_keys

T = TypeVar("T")

EXAMPLES = int(os.environ.get("NOTICE_MACHINE_EXAMPLES", "0"))
"""More of them, and others each time, for whoever has changed a script: `NOTICE_MACHINE_EXAMPLES=2000`."""
TENANTS = ("acme", "bolt")
CALLS = ("RM_1", "RM_2", "RM_3")
AT_ONCE = 2
RESULTS = ("delivered", "delivered", "failed", "given up", "postponed", "dies")
STALE = "stale"
"""It is over when the notice is tried again already."""
EMPTY = TryResult(1, 1, 500, "", "answered 500")

PROFILE = settings(
    derandomize=not EXAMPLES,
    max_examples=EXAMPLES or 60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class NoticeMachine(RuleBasedStateMachine):
    """Two schedulers and some tasks on one Redis, without a clock: what has to wait is made due by a rule.

    `made`: the ids of a call's notices in the order of their events. `sent`: those that its backend got, each time.
    `over`: those that are delivered or given up. `messages`: deliveries in the queue, also those that come twice or
    late. `open`: tries that have begun.
    """

    def __init__(self, runner: asyncio.Runner, redis: Redis, reached: Counter[str]) -> None:
        super().__init__()
        self.runner = runner
        self.redis = redis
        self.reached = reached
        self.store = NoticeStore(redis, settings_with(SWITCHBOARD_NOTICES_AT_ONCE=str(AT_ONCE)).notices)
        self.made: dict[str, list[str]] = {}
        self.sent: dict[str, list[str]] = {}
        self.over: set[str] = set()
        self.messages: list[Delivery] = []
        self.open: list[Delivery] = []

    def run(self, action: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await action

        return self.runner.run(awaited())

    @initialize(result=st.sampled_from([*RESULTS, STALE]))
    def begin_with_a_try(self, result: str) -> None:
        """A history begins with a try of each result, so that none of them is left to chance."""
        self.run(self.redis.flushdb())
        self.event(tenant=TENANTS[0], call=CALLS[0], twice=False)
        (delivery,) = self.run(self.store.take_due(1))
        assert self.run(self.store.begin(delivery, lease_ms=60_000)) is not None
        if result == STALE:
            self.time_passes()
            (again,) = self.run(self.store.take_due(1))
            assert self.run(self.store.begin(again, lease_ms=60_000)) is not None
            self.open.append(again)
        self.end(delivery, "failed" if result == STALE else result)

    @rule(tenant=st.sampled_from(TENANTS), call=st.sampled_from(CALLS), twice=st.booleans())
    def event(self, tenant: str, call: str, *, twice: bool) -> None:
        sid = f"{tenant}:{call}"
        entry = str(self.run(self.redis.xadd(NOTICE_EVENTS, {"kind": "started"})))
        # Two schedulers have read it.
        added = [self.run(self.add(entry, tenant, sid)) for _ in range(1 + twice)]
        assert added[0] is not None
        assert added[1:] == [None] * twice
        self.made.setdefault(sid, []).append(added[0])

    async def add(self, entry: str, tenant: str, sid: str) -> str | None:
        return await self.store.add(entry, tenant=tenant, sid=sid, kind="call.started", data={}, occurred_ms=1)

    @rule(most=st.integers(1, 4))
    def take(self, most: int) -> None:
        taken = self.run(self.store.take_due(most))
        assert len(taken) <= most
        self.messages += taken
        self.reached["taken"] += len(taken)

    @precondition(lambda self: bool(self.messages))
    @rule(data=st.data(), again=st.sampled_from([False, False, False, True]))
    def begin(self, data: st.DataObject, *, again: bool) -> None:
        message = data.draw(st.sampled_from(self.messages))
        if not again:
            self.messages.remove(message)
        if self.run(self.store.begin(message, lease_ms=60_000)) is None:
            self.reached["stale begin"] += 1
            return
        self.reached["begun"] += 1
        assert message not in self.open
        self.open.append(message)

    @precondition(lambda self: bool(self.open))
    @rule(data=st.data(), result=st.sampled_from(RESULTS))
    def finish(self, data: st.DataObject, result: str) -> None:
        delivery = data.draw(st.sampled_from(self.open))
        self.open.remove(delivery)
        self.end(delivery, result)

    def end(self, delivery: Delivery, result: str) -> None:
        if result != "postponed":
            self.sent.setdefault(delivery.sid, []).append(delivery.id)
        if result == "dies":
            # After the request, before its result is written down.
            return
        finished = self.run(
            self.store.finish(
                delivery,
                "failed" if result == "given up" else result,
                attempt=None if result == "postponed" else EMPTY,
                delay_ms=None if result in {"given up", "delivered"} else 3_600_000,
            )
        )
        state, _ = finished
        self.reached["stale finish" if state is None else f"finished {state.value}"] += 1
        if state in {NoticeState.DELIVERED, NoticeState.GIVEN_UP}:
            self.over.add(delivery.id)

    @rule(data=st.data())
    def resend(self, data: st.DataObject) -> None:
        waiting = [one for ids in self.made.values() for one in ids if one not in self.over]
        if waiting:
            assert self.run(self.store.resend(data.draw(st.sampled_from(waiting))))

    @rule()
    def all_begin(self) -> None:
        self.take(4)
        for message in self.messages:
            if self.run(self.store.begin(message, lease_ms=60_000)):
                self.open.append(message)

    @rule(often=st.integers(0, 2))
    def time_passes(self, often: int = 0) -> None:
        if often:
            return
        self.run(self.make_due())

    async def make_due(self) -> None:
        for tenant in TENANTS:
            for key in (keys.calls(tenant), keys.leases(tenant)):
                for sid in cast("list[str]", await self.redis.zrange(key, 0, -1)):
                    await self.redis.zadd(key, {sid: 1})
            await self.redis.hdel(keys.backend(tenant), "paused_until")
            await self.redis.zadd(keys.BACKENDS_DUE, {tenant: 1})

    @invariant()
    def in_order_for_each_call(self) -> None:
        for sid, sent in self.sent.items():
            first_times = list(dict.fromkeys(sent))
            assert first_times == [one for one in self.made[sid] if one in first_times]

    @invariant()
    def no_more_at_once_than_allowed(self) -> None:
        for tenant in TENANTS:
            assert self.run(self.redis.zcard(keys.leases(tenant))) <= AT_ONCE

    @invariant()
    def what_waits_is_looked_at(self) -> None:
        for tenant in TENANTS:
            waits = self.run(self.redis.exists(keys.calls(tenant), keys.leases(tenant)))
            assert not waits or self.run(self.redis.zscore(keys.BACKENDS_DUE, tenant)) is not None

    def teardown(self) -> None:
        """From any state, all that is left is delivered: each event that was made has had its end."""
        self.messages.clear()
        self.open.clear()
        wanted = {one for ids in self.made.values() for one in ids}
        for _ in range(4 * len(wanted) + 4):
            if self.over >= wanted:
                break
            self.time_passes()
            for delivery in self.run(self.store.take_due(8)):
                assert self.run(self.store.begin(delivery, lease_ms=1))
                self.sent.setdefault(delivery.sid, []).append(delivery.id)
                state, _ = self.run(self.store.finish(delivery, "delivered", attempt=EMPTY))
                assert state is NoticeState.DELIVERED
                self.over.add(delivery.id)
        assert self.over >= wanted
        self.in_order_for_each_call()
        assert self.run(leaked_keys(self.redis)) == []


def test_each_notice_has_its_end_and_those_of_a_call_are_sent_in_order(binaries: Binaries, tmp_path: Path) -> None:
    server = RedisServer(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    reached: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        runner.run(server.start())
        client = server.client()
        try:
            run_state_machine_as_test(
                cast("type[RuleBasedStateMachine]", lambda: NoticeMachine(runner, client, reached)), settings=PROFILE
            )
        finally:
            runner.run(client.aclose())
            runner.run(server.stop())
    # A result that the machine never reached is not tested.
    finished = {"stale finish", *(f"finished {state.value}" for state in NoticeState)}
    assert {"taken", "begun", "stale begin", *finished} <= reached.keys(), reached
