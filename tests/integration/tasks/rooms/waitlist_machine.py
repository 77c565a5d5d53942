"""The state machine of the waitlist: limits that change, callers to notify, waits that expire, permits to repair."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from redis.asyncio import Redis

from tasks.rooms import RepairCursor, State, keys
from tests.integration.tasks.rooms.admission_model import TENANTS
from tests.integration.tasks.rooms.machine import RoomMachine, any_one, knows

TIERS = tuple(dict.fromkeys(TENANTS.values()))
MANY = 1000

caps = st.sampled_from([None, 1, 1, 2, 3])


class WaitListMachine(RoomMachine):
    """The machine of the rooms, with limits, so that some rooms have to wait for a permit."""

    at_once = 9

    def __init__(self, runner: asyncio.Runner, redis: Redis, reached: Counter[object]) -> None:
        super().__init__(runner, redis, reached)
        self.limits = {"acme": 2, "bolt": 1, "premium": 3, "free": 2}
        self.most_unclaimed = 1
        self.most_waiting = 2

    @knows(State.WAITING, State.QUEUED, State.RUNNING)
    @rule(name=st.sampled_from([*TENANTS, *TIERS]), cap=caps)
    def declare_another_limit(self, name: str, cap: int | None) -> None:
        """Declare a limit, which counts from the next opening or the next tick on."""
        self.limits[name] = cap

    @knows(State.WAITING)
    @rule(most=st.sampled_from([1, 1, 2, None]))
    def apply_the_limits_as_a_tick_does(self, most: int | None) -> None:
        admission = self.model.admission
        waiting = [tenant for tenant in sorted(TENANTS) if admission.waitlists[tenant]]
        assert self.do(self._store.waitlist.list_tenants("", 2)) == waiting[:2]
        assert self.do(self._store.waitlist.list_tenants("acme", MANY)) == [
            tenant for tenant in waiting if tenant != "acme"
        ]
        self.most_unclaimed = most
        # All of them: a tenant that has no waiting room brings its limit with its next one.
        tenants = {tenant: self.limits.get(tenant) for tenant in TENANTS}
        tiers = {tier: self.limits.get(tier) for tier in TIERS}
        entered = self.do(self._store.waitlist.set_limits(tenants, tiers, most))
        before = sum(map(len, admission.waitlists.values()))
        admission.caps, admission.most_unclaimed = {**tenants, **tiers}, most
        for tier in TIERS:
            admission.serve(tier)
        self._same("set limits", entered > 0, sum(map(len, admission.waitlists.values())) < before)

    @knows(State.WAITING)
    @rule(which=any_one)
    def claim_a_room_that_is_in_no_queue(self, which: int) -> None:
        room = self._some(which, State.WAITING)
        self._claim(room, room.attempt, "without a message")

    @knows(State.WAITING, State.QUEUED)
    @rule(tier=st.sampled_from(TIERS), limit=st.sampled_from([1, 2, MANY]))
    def expire_the_waits_of_a_tier(self, tier: str, limit: int) -> None:
        # All of them have waited longer than this.
        ended = self.do(self._store.waitlist.expire_waits(tier, -1000, reason="nobody came", limit=limit))
        expected = self.model.expire_waits(tier, limit)
        assert ended == expected
        self._reached["expire waits", min(len(ended), 2)] += 1

    @knows(State.WAITING, State.QUEUED)
    @rule(limit=st.integers(1, 4))
    def list_all_waits(self, limit: int) -> None:
        listed: dict[str, tuple[object, ...]] = {}
        after = ""
        while True:
            after, waits = self.do(self._store.waitlist.list_waits(after, limit, waited_ms=0))
            listed |= {wait.sid: (wait.tenant, wait.tier, wait.state, wait.position, wait.running) for wait in waits}
            if not after:
                break
        running = [room.tenant for room in self.model.rooms.values() if room.state is State.RUNNING]
        assert listed == {
            room.sid: (
                *(room.tenant, TENANTS[room.tenant], room.state),
                *(self.model.position(room), running.count(room.tenant)),
            )
            for room in self.model.unanswered()
        }

    @knows(State.WAITING, State.QUEUED)
    @rule()
    def notify_all_callers_who_wait(self) -> None:
        sids = list(self._current)
        waits = self.do(self._store.waitlist.mark_notified(sids))
        assert waits == [sid for sid in sids if self.model.rooms[sid] in self.model.unanswered()]
        for sid in waits:
            self.model.rooms[sid].notified = True

    @precondition(lambda machine: machine.model.to_notify)
    @rule(which=any_one)
    def notify_callers_of_the_end_of_a_wait(self, which: int) -> None:
        listed = self.do(self._store.waitlist.to_notify(MANY))
        sid, since_ms = list(listed.items())[which % len(listed)]
        assert not self.do(self._store.waitlist.notified(sid, since_ms - 1))
        assert self.do(self._store.waitlist.notified(sid, since_ms))
        self.model.to_notify.discard(sid)

    @knows(State.WAITING, State.QUEUED, State.RUNNING)
    @rule(
        wrong=st.sampled_from(["nothing", "too many", "too few", "waitlist", "all permits"]),
        at_once=st.sampled_from([10, MANY]),
    )
    def put_permits_wrong_and_repair_them(self, wrong: str, at_once: int) -> None:
        """Put them wrong as an operator, an older version, or a Redis that came back with older data would."""
        over = [room for room in self.model.rooms.values() if not room.open][-3:]
        ghosts = {f"tenant:{room.tenant}\0{room.sid}": 0 for room in over}
        if wrong == "too many" and ghosts:
            self.do(self._redis.zadd(keys.PERMITS, {**ghosts, "tier:premium\0RM_nobody": 0}))
        elif wrong == "too few":
            self.do(self._redis.zremrangebyrank(keys.PERMITS, 0, 1))
        elif wrong == "waitlist":
            self.do(self._redis.delete(keys.WAITLIST, keys.ELIGIBLE, keys.UNANSWERED))
        elif wrong == "all permits":
            self.do(self._redis.delete(keys.PERMITS))
        cursor = RepairCursor()
        whole = {"permits": False, "rooms": False}
        while not all(whole.values()):
            cursor = self.do(self._store.waitlist.repair(cursor, at_once))
            whole["permits"] |= cursor.permits == "0"
            whole["rooms"] |= cursor.rooms == "0"
        self._reached["repair", wrong] += 1
        if wrong in {"waitlist", "all permits"}:
            self.apply_the_limits_as_a_tick_does(self.most_unclaimed)
