"""What tenants, tiers and waiting add: limits that change, callers who are told, waits that end, wrong places."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from redis.asyncio import Redis

from tasks.rooms import Healed, State, keys
from tests.integration.tasks.rooms.admission_model import TENANTS
from tests.integration.tasks.rooms.machine import RoomMachine, any_one, knows

TIERS = tuple(dict.fromkeys(TENANTS.values()))
MANY = 1000

caps = st.sampled_from([None, 1, 1, 2, 3])


class LineMachine(RoomMachine):
    """The machine of the rooms, in a world where not everybody may enter a queue at once."""

    at_once = 9

    def __init__(self, runner: asyncio.Runner, redis: Redis, reached: Counter[object]) -> None:
        super().__init__(runner, redis, reached)
        self.limits = {"acme": 2, "bolt": 1, "premium": 3, "free": 2}
        self.most_unclaimed = 1

    @knows(State.WAITING, State.QUEUED, State.RUNNING)
    @rule(name=st.sampled_from([*TENANTS, *TIERS]), cap=caps)
    def declare_another_limit(self, name: str, cap: int | None) -> None:
        """It counts from the next opening on, or from the next tick."""
        self.limits[name] = cap

    @knows(State.WAITING)
    @rule(most=st.sampled_from([1, 1, 2, None]))
    def let_the_tick_bring_the_limits(self, most: int | None) -> None:
        admission = self.model.admission
        waiting = [tenant for tenant in sorted(TENANTS) if admission.line[tenant]]
        assert self.do(self._store.line.tenants("", 2)) == waiting[:2]
        assert self.do(self._store.line.tenants("acme", MANY)) == [tenant for tenant in waiting if tenant != "acme"]
        self.most_unclaimed = most
        # All of them: who does not wait brings its own limit with its next room.
        tenants = {tenant: self.limits.get(tenant) for tenant in TENANTS}
        tiers = {tier: self.limits.get(tier) for tier in TIERS}
        entered = self.do(self._store.line.set_limits(tenants, tiers, most))
        before = sum(map(len, admission.line.values()))
        admission.caps, admission.most_unclaimed = {**tenants, **tiers}, most
        for tier in TIERS:
            admission.serve(tier)
        self._same("set limits", entered > 0, sum(map(len, admission.line.values())) < before)

    @knows(State.WAITING)
    @rule(which=any_one)
    def claim_a_room_that_is_in_no_queue(self, which: int) -> None:
        room = self._some(which, State.WAITING)
        self._claim(room, room.attempt, "nobody's")

    @knows(State.WAITING, State.QUEUED)
    @rule(tier=st.sampled_from(TIERS), limit=st.sampled_from([1, 2, MANY]))
    def end_the_waits_of_a_tier(self, tier: str, limit: int) -> None:
        # Longer than not at all: so long have all of them waited.
        ended = self.do(self._store.line.end_waits(tier, -1000, reason="nobody came", limit=limit))
        expected = self.model.end_waits(tier, limit)
        assert ended == expected
        self._reached["end waits", min(len(ended), 2)] += 1

    @knows(State.WAITING, State.QUEUED)
    @rule(limit=st.integers(1, 4))
    def look_at_all_who_wait(self, limit: int) -> None:
        found: dict[str, tuple[object, ...]] = {}
        after = ""
        while True:
            after, waits = self.do(self._store.line.look(after, limit, waited_ms=0))
            found |= {wait.sid: (wait.tenant, wait.tier, wait.state, wait.position, wait.running) for wait in waits}
            if not after:
                break
        running = [room.tenant for room in self.model.rooms.values() if room.state is State.RUNNING]
        assert found == {
            room.sid: (
                *(room.tenant, TENANTS[room.tenant], room.state),
                *(self.model.position(room), running.count(room.tenant)),
            )
            for room in self.model.unanswered()
        }

    @knows(State.WAITING, State.QUEUED)
    @rule()
    def tell_all_who_wait(self) -> None:
        sids = list(self._current)
        waits = self.do(self._store.line.mark_told(sids))
        assert waits == [sid for sid in sids if self.model.rooms[sid] in self.model.unanswered()]
        for sid in waits:
            self.model.rooms[sid].told = True

    @precondition(lambda machine: machine.model.to_tell)
    @rule(which=any_one)
    def tell_what_came_of_it(self, which: int) -> None:
        sids = self.do(self._store.line.to_tell(MANY))
        sid = sids[which % len(sids)]
        self.do(self._store.line.told(sid))
        self.model.to_tell.discard(sid)

    @knows(State.WAITING, State.QUEUED, State.RUNNING)
    @rule(wrong=st.sampled_from(["nothing", "too many", "too few", "line", "all"]), at_once=st.sampled_from([10, MANY]))
    def put_places_wrong_and_heal_them(self, wrong: str, at_once: int) -> None:
        """As if by a hand, by a version that did not know them yet, or by a Redis that came back as it was."""
        over = [room for room in self.model.rooms.values() if not room.open][-3:]
        ghosts = {f"tenant:{room.tenant}\0{room.sid}": 0 for room in over}
        if wrong == "too many" and ghosts:
            self.do(self._redis.zadd(keys.PLACES, {**ghosts, "tier:premium\0RM_nobody": 0}))
        elif wrong == "too few":
            self.do(self._redis.zremrangebyrank(keys.PLACES, 0, 1))
        elif wrong == "line":
            self.do(self._redis.delete(keys.LINE, keys.READY, keys.UNANSWERED))
        elif wrong == "all":
            self.do(self._redis.delete(keys.PLACES))
        healed = Healed("0", "0", 0)
        whole = {"places": False, "rooms": False}
        while not all(whole.values()):
            healed = self.do(self._store.line.heal(healed, at_once))
            whole["places"] |= healed.places_cursor == "0"
            whole["rooms"] |= healed.rooms_cursor == "0"
        self._reached["heal", wrong] += 1
        if wrong in {"line", "all"}:
            self.let_the_tick_bring_the_limits(self.most_unclaimed)
