"""The actions of receivers, reconcilers, operators and workers on rooms: in any order, late, twice, or not at all.

Redis' own clock decides when a lease has expired and when a message is looked for, and it cannot be moved. So time
passes by writing the scores that it is compared with.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tasks.rooms import AttemptMetrics, ClaimRefusal, LossCause, RenewResult, State, keys
from tests.integration.tasks.rooms.admission_model import TENANTS
from tests.integration.tasks.rooms.model import RoomModel, Told
from tests.integration.tasks.rooms.world import World, decoded, encoded
from tests.support.key_leaks import leaked_keys

LONG_AGO_MS = 1000
QUEUED_MS_AGO = 60_000

# Mostly the room's own attempt, sometimes an earlier one or one that has not been.
attempt_offset = st.sampled_from([0, 0, 0, 0, -1, 1])
LATER_MS = [None, -1, 0, 1, 1]
"""When a caller joins, after the end of the room; None if nobody does."""
any_room = st.integers(0, 3)
any_one = st.integers(0, 7)

EVENTS = [
    "room finished",
    "message returned late",
    "no tenant",
    "room seen",
    "written late",
    "claimed without a message",
    "call ended by an operator",
]
seldom = st.sampled_from([False, False, False, True])
MOST_ATTEMPTS = st.sampled_from([1, 1, 2, 3])
BEFORE = ["", "its lease has expired", "its lease has expired", "its room has finished"]


def knows(*states: State) -> Any:
    return precondition(lambda machine: machine.current(*states))


class RoomMachine(World):
    """The state machine that does each action on Redis and on the model, and compares the results."""

    # A receiver, a reconciler, an operator.

    @precondition(lambda machine: any(machine.model.rooms[sid].state is None for sid in machine._current))
    @rule()
    def open_all_that_are_new(self) -> None:
        for sid in self._current:
            if self.model.rooms[sid].state is None:
                self._open(self.model.rooms[sid], 1)

    @knows(State.CANCELLED, State.ENDED, State.DEAD)
    @rule(which=any_one, replay=st.booleans(), later_ms=st.sampled_from(LATER_MS), other=attempt_offset)
    def open_again(self, which: int, later_ms: int | None, other: int, *, replay: bool) -> None:
        room = self._some(which, State.CANCELLED, State.ENDED, State.DEAD)
        self._open(room, max(1, room.attempt + 1 + other), later_ms=later_ms, replay=replay)

    def _open(self, room: RoomModel, attempt: int, *, later_ms: int | None = None, replay: bool = False) -> None:
        opened = self.do(
            self._store.open(
                sid=room.sid,
                name="n",
                tenant=room.tenant,
                tier=TENANTS[room.tenant],
                queue=TENANTS[room.tenant],
                message=encoded((room.sid, attempt)).encode(),
                started_at_ms=None,
                received_at_ms=0,
                attempt=attempt,
                replay=replay,
                ended_before_ms=self._joined_ms(room, later_ms),
                limits=self.limits_of(room),
            )
        )
        after_its_end = later_ms is not None and later_ms > 0
        expected = self.model.open(
            room, attempt, replay=replay, after_its_end=after_its_end, limits=self.limits_of(room)
        )
        self._same("open", opened, expected)

    def _joined_ms(self, room: RoomModel, later_ms: int | None) -> int | None:
        """Return the time that is so much later than the room's end, which may not have been."""
        known = self.do(self._store.get(room.sid))
        return None if later_ms is None else later_ms + (known.steps_ms.get("ended", 0) if known else 0)

    @knows(State.RUNNING)
    @rule(which=any_one, missing=st.booleans())
    def close(self, which: int, *, missing: bool) -> None:
        self._close(self._some(which, State.RUNNING), missing=missing)

    @knows(State.RUNNING)
    @rule(which=any_one, other=attempt_offset)
    def request_a_move(self, which: int, other: int) -> None:
        room = self._some(which, State.RUNNING)
        moving = self.do(self._operations.move(room.sid, room.attempt + other))
        self._same("request move", moving, self.model.request_move(room, room.attempt + other))
        self._same("renew", self.do(self._store.renew(room.sid, room.attempt)), self.model.renew(room, room.attempt))

    @rule(number=any_room, event=st.sampled_from(EVENTS), attempt=st.integers(0, 4))
    def act_on_a_room_in_any_state(self, number: int, event: str, attempt: int) -> None:
        room = self._room(number)
        if event == "room finished":
            self._close(room)
        elif event == "message returned late":
            if not room.waits(attempt):
                done = self.do(self._store.return_message(room.sid, attempt))
                self._same("return message", done, self.model.return_message(room, attempt))
        elif event == "no tenant":
            self._find_no_tenant(room, LATER_MS[attempt])
        elif event == "room seen":
            self._open(room, attempt, later_ms=1, replay=True)
        elif event == "written late":
            self._write_late(room, attempt)
        elif event == "call ended by an operator":
            self._same("request end", self.do(self._operations.end(room.sid)), self.model.request_end(room))
        elif not room.waits(attempt):
            self._claim(room, attempt, "without a message")

    def _find_no_tenant(self, room: RoomModel, later_ms: int | None) -> None:
        joined_ms = self._joined_ms(room, later_ms)
        done = self.do(
            self._store.dead_letter(room.sid, attempt=None, name="n", ended_before_ms=joined_ms, reason="no tenant")
        )
        after_its_end = later_ms is not None and later_ms > 0
        expected = self.model.dead_letter_without_a_tenant(room, after_its_end=after_its_end)
        self._same("dead letter without a tenant", done, expected)

    def _write_late(self, room: RoomModel, attempt: int) -> None:
        if room.runs(attempt):
            return
        store, sid = self._store, room.sid
        self._same("end", bool(self.do(store.end(sid, attempt, outcome="o"))), self.model.end(room, attempt))
        written = self.do(store.dead_letter(sid, attempt=attempt, reason="r"))
        self._same("dead letter", written, self.model.dead_letter(room, attempt))
        saved = self.do(store.renew(sid, attempt, conversation=b"words"))
        self._same("conversation", saved, self.model.save_conversation(room, attempt))
        for cause in LossCause:
            self._requeue(room, attempt, cause, 1)
        if not room.waits(attempt):
            self._same("delay", self.do(store.delay(sid, attempt, 1)), self.model.delay(room, attempt))

    def _close(self, room: RoomModel, *, missing: bool = False) -> None:
        closed = self.do(self._store.close(room.sid, missing=missing))
        self._same("close", closed, self.model.close(room, missing=missing))

    @knows(State.CANCELLED, State.ENDED, State.DEAD)
    @rule(opened=st.booleans())
    def replace_rooms_that_are_over(self, *, opened: bool) -> None:
        for number, sid in enumerate(self._current):
            if self.model.rooms[sid].over:
                self._current[number] = self._new_room()
                if opened:
                    self._open(self._room(number), 1)

    @knows(State.QUEUED)
    @rule(limit=st.integers(1, 3))
    def requeue_lost_messages(self, limit: int) -> None:
        requeued = self.do(self._store.requeue_lost_messages(QUEUED_MS_AGO, limit))
        assert requeued == self.model.requeue_lost_messages(limit)
        self._reached["requeue lost messages", len(requeued)] += 1
        self.away -= {encoded((sid, self.model.rooms[sid].attempt)) for sid in requeued}

    @knows(State.RUNNING)
    @rule(which=any_one, renewed=st.booleans(), most=MOST_ATTEMPTS, finished=seldom)
    def let_a_lease_expire_and_sweep(self, which: int, most: int, *, renewed: bool, finished: bool) -> None:
        if finished:
            self.close(which, missing=False)
        self.let_a_lease_expire(which)
        expired = self.do(self._store.list_expired_leases(100))
        assert sorted(expired) == sorted(room.sid for room in self.current(State.RUNNING) if room.expired)
        for sid in expired:
            room = self.model.rooms[sid]
            if renewed and sid == expired[-1]:
                # Between the two steps of the sweep.
                self._same("renew", self.do(self._store.renew(sid, room.attempt)), self.model.renew(room, room.attempt))
            self._requeue(room, room.attempt, LossCause.LEASE_EXPIRED, most)

    # A worker's main process.

    @precondition(lambda machine: machine.model.queue)
    @rule(which=any_one)
    def take(self, which: int = 0) -> None:
        tiers = [tier for tier in sorted(set(TENANTS.values())) if self.model.queue_of(tier)]
        tier = tiers[which % len(tiers)]
        taken = self.do(cast("Awaitable[str]", self._redis.rpop(tier)))
        assert decoded(taken) == self.model.queue_of(tier)[-1]
        self.model.queue.remove(decoded(taken))
        self.taken.append(decoded(taken))
        self.away.add(taken)

    @precondition(lambda machine: machine.taken)
    @rule(which=any_one, has_failed_here=st.booleans())
    def return_message(self, which: int, *, has_failed_here: bool) -> None:
        sid, attempt = self.taken.pop(which % len(self.taken))
        if has_failed_here:
            delayed = self.do(self._store.delay(sid, attempt, QUEUED_MS_AGO))
            self._same("delay", delayed, self.model.delay(self.model.rooms[sid], attempt))
            return
        done = self.do(self._store.return_message(sid, attempt))
        self._same("return message", done, self.model.return_message(self.model.rooms[sid], attempt))
        self.away.discard(encoded((sid, attempt)))

    @precondition(lambda machine: machine.taken)
    @rule(which=any_one)
    def die_with_a_message(self, which: int) -> None:
        self.taken.pop(which % len(self.taken))

    @precondition(lambda machine: machine.taken)
    @rule(which=any_one)
    def deliver_a_message_twice(self, which: int) -> None:
        self.taken.append(self.taken[which % len(self.taken)])

    # A worker's child.

    @precondition(lambda machine: machine.model.queue)
    @rule(twice=seldom)
    def take_and_claim_all(self, *, twice: bool) -> None:
        while self.model.queue:
            self.take()
            if twice:
                self.taken.append(self.taken[-1])
                self.claim(-1)
            self.claim(-1)

    @precondition(lambda machine: machine.taken)
    @rule(which=any_one)
    def claim(self, which: int) -> None:
        sid, attempt = self.taken.pop(which % len(self.taken))
        self._claimants += 1
        self._claim(self.model.rooms[sid], attempt, f"claimant {self._claimants}")

    @knows(State.RUNNING)
    @rule(which=any_one)
    def claim_again_because_the_reply_was_lost(self, which: int) -> None:
        room = self._some(which, State.RUNNING)
        self._claim(room, room.attempt, room.claimant)

    def _claim(self, room: RoomModel, attempt: int, claimant: str) -> None:
        answer = self.do(self._store.claim(room.sid, attempt, claimant=claimant, worker="w", pid=1))
        refusal = answer if isinstance(answer, ClaimRefusal) else None
        again = room.runs(attempt)
        self._same("claim", refusal, self.model.claim(room, attempt, claimant))
        if refusal is None and not again:
            self.claimed.append((room.sid, attempt))

    @knows(State.QUEUED, State.RUNNING)
    @rule(which=any_one, finished=seldom)
    def renew_with_every_attempt_there_was(self, which: int, *, finished: bool) -> None:
        room = self._some(which, State.QUEUED, State.RUNNING)
        if finished:
            self._close(room)
        answers = []
        for attempt in range(room.attempt + 2):
            answers.append(self.do(self._store.renew(room.sid, attempt)))
            self._same("renew", answers[-1], self.model.renew(room, attempt))
        assert sum(answer is not RenewResult.LOST for answer in answers) <= 1

    @knows(State.RUNNING)
    @rule(which=any_one, other=attempt_offset)
    def record_steps(self, which: int, other: int) -> None:
        room = self._some(which, State.RUNNING)
        new = self._tells()
        recorded = self.do(
            self._store.renew(room.sid, room.attempt + other, steps={"joined": 1}, metrics=AttemptMetrics(**new))
        )
        self._same("steps", recorded, self.model.renew(room, room.attempt + other, **new))

    def _tells(self) -> Told:
        """Return what is new of an attempt's metrics: nothing, the usage, the turns, or both, in turn."""
        self._told += 1
        usage, turns = f"usage_{self._told}", f"turns_{self._told}"
        told: list[Told] = [{}, {"usage": usage}, {"turns": turns}, {"usage": usage, "turns": turns}]
        return told[self._told % len(told)]

    @knows(State.RUNNING)
    @rule(which=any_one, other=attempt_offset)
    def save_conversation(self, which: int, other: int) -> None:
        room = self._some(which, State.RUNNING)
        saved = self.do(self._store.renew(room.sid, room.attempt + other, conversation=b"words"))
        self._same("conversation", saved, self.model.save_conversation(room, room.attempt + other))

    @knows(State.RUNNING)
    @rule(which=any_one, other=attempt_offset)
    def end(self, which: int, other: int) -> None:
        room = self._some(which, State.RUNNING)
        attempt = room.attempt + other
        new = self._tells()
        ended = self.do(self._store.end(room.sid, attempt, outcome="o", metrics=AttemptMetrics(**new)))
        self._same("end", bool(ended), self.model.end(room, attempt, **new))

    @knows(State.RUNNING)
    @rule(which=any_one, other=attempt_offset)
    def dead_letter(self, which: int, other: int) -> None:
        room = self._some(which, State.RUNNING)
        attempt = room.attempt + other
        new = self._tells()
        written = self.do(
            self._store.dead_letter(room.sid, attempt=attempt, reason="no provider", metrics=AttemptMetrics(**new))
        )
        self._same("dead letter", written, self.model.dead_letter(room, attempt, **new))

    @knows(State.RUNNING)
    @rule(other=attempt_offset, cause=st.sampled_from(LossCause), most=MOST_ATTEMPTS, before=st.sampled_from(BEFORE))
    def fail_all_calls_of_a_worker(self, other: int, cause: LossCause, most: int, before: str) -> None:
        for room in self.current(State.RUNNING):
            if before == "its room has finished":
                self._close(room)
            if before:
                self._let_its_lease_expire(room)
            self._requeue(room, room.attempt + other, cause, most)

    def _requeue(self, room: RoomModel, attempt: int, cause: LossCause, most: int) -> None:
        message = encoded((room.sid, attempt + 1)).encode()
        new = self._tells()
        lost = self.do(
            self._store.requeue(
                *(room.sid, attempt),
                queue=TENANTS[room.tenant],
                message=message,
                reason="r",
                max_attempts=most,
                cause=cause,
                metrics=AttemptMetrics(**new),
            )
        )
        self._same(f"requeue, {cause}", lost, self.model.requeue(room, attempt, cause, most, **new))

    # Time.

    @knows(State.RUNNING)
    @rule(which=any_one)
    def let_a_lease_expire(self, which: int) -> None:
        self._let_its_lease_expire(self._some(which, State.RUNNING))

    def _let_its_lease_expire(self, room: RoomModel) -> None:
        room.expired = True
        self.do(self._redis.zadd(keys.LEASES, {room.sid: LONG_AGO_MS}))

    @knows(State.QUEUED)
    @rule()
    def let_time_pass_for_queued_rooms(self) -> None:
        sids = self.model.sids(State.QUEUED)
        for sid in sids:
            self.model.rooms[sid].waited = True
        self.do(self._redis.zadd(keys.QUEUED, dict.fromkeys(sids, LONG_AGO_MS)))

    @knows(State.QUEUED)
    @rule()
    def let_the_delays_of_failed_attempts_pass(self) -> None:
        delayed = [room.sid for room in self.model.rooms.values() if room.delayed]
        if delayed:
            self.do(self._redis.zadd(keys.DELAYED, dict.fromkeys(delayed, LONG_AGO_MS)))
        queued = self.do(self._store.queue_delayed_rooms(100))
        assert queued == self.model.queue_delayed_rooms()
        self._reached["queue delayed rooms", min(2, len(queued))] += 1

    def teardown(self) -> None:
        """Answer and end each open room, with one good worker and a reconciler, after any sequence of actions."""
        # The messages that workers had taken are lost with them.
        self.taken.clear()
        for sid in self.model.sids(State.RUNNING):
            self.end_call(sid)
        if self.model.sids(State.QUEUED):
            self.let_the_delays_of_failed_attempts_pass()
            self.let_time_pass_for_queued_rooms()
            self.requeue_lost_messages(len(self.model.rooms))
        # From here on only a call that ends lets others in.
        while self.model.queue:
            self.take()
            sid, attempt = self.taken[-1]
            if self.model.rooms[sid].waits(attempt):
                self.claim(-1)
                self.end_call(sid)
        self.redis_holds_what_the_model_holds()
        assert not self.model.sids(State.WAITING, State.QUEUED, State.RUNNING)
        assert [name for name in self.do(self._admission_fields()) if name.startswith("tenant:")] == []
        assert self.do(leaked_keys(self._redis)) == []

    async def _admission_fields(self) -> list[str]:
        return await cast("Awaitable[list[str]]", self._redis.hkeys(keys.ADMISSION))

    def end_call(self, sid: str) -> None:
        room = self.model.rooms[sid]
        assert self.do(self._store.end(sid, room.attempt, outcome="o"))
        assert self.model.end(room, room.attempt)
