"""A Redis and the model of it, side by side, for a state machine that acts on both."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable
from typing import TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant
from redis.asyncio import Redis

from tasks.rooms import CallOperations, Limits, RoomStore, State, keys
from tests.integration.tasks.rooms.admission_model import TENANTS
from tests.integration.tasks.rooms.model import Message, Model, RoomModel

T = TypeVar("T")

QUEUES = tuple(dict.fromkeys(TENANTS.values()))

_SETS = {
    "open": keys.ROOMS,
    "queued": keys.QUEUED,
    "leases": keys.LEASES,
    "to notify": keys.NOTIFY,
    "permits": keys.PERMITS,
    "waitlist": keys.WAITLIST,
    "unanswered": keys.UNANSWERED,
    "delayed": keys.DELAYED,
    "eligible": keys.ELIGIBLE,
}
_STREAMS = {"calls": keys.CALLS, "dead": keys.DEAD}

# As one string, because redis-py takes longer to parse a reply of many parts than all else here takes together.
_CONTENTS = """
local asked, found = cjson.decode(ARGV[1]), {sets = {}, queues = {}, streams = {}, rooms = {}, without_ttl = {}}
for name, key in pairs(asked.sets) do
  found.sets[name] = redis.call('ZRANGE', key, 0, -1)
end
for _, queue in ipairs(asked.queues) do
  found.queues[queue] = redis.call('LRANGE', queue, 0, -1)
end
for name, key in pairs(asked.streams) do
  found.streams[name] = redis.call('XRANGE', key, '-', '+')
end
for sid, key in pairs(asked.rooms) do
  found.rooms[sid] = redis.call('HMGET', key, 'state', 'attempt', 'uncounted')
end
found.conversations = redis.call('KEYS', asked.conversations)
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('PTTL', key) == -1 then
    table.insert(found.without_ttl, key)
  end
end
return cjson.encode(found)
"""


def encoded(message: Message) -> str:
    return f"{message[0]} {message[1]}"


def decoded(text: str) -> Message:
    sid, attempt = text.split()
    return sid, int(attempt)


def recorded(fields: dict[str, str]) -> str:
    """Return a record as the model has it."""
    names = {
        "call": ("sid", "attempt", "state", "attempts", "usage"),
        "attempt": ("sid", "attempt", "ending", "cause", "uncounted", "usage", "turns"),
    }[fields["kind"]]
    return " ".join([fields["kind"], *(fields.get(name, "0") for name in names)])


class World(RuleBasedStateMachine):
    """Some rooms at once, and the invariants after each action on them.

    `at_once`: the number of rooms. `taken`: messages that virtual workers have taken, `away`: all that ever were taken
    and not put back. `claimed`: each attempt that a claim was granted for. `reached`: the results that actions had,
    over all examples.
    """

    at_once = 4

    def __init__(self, runner: asyncio.Runner, redis: Redis, reached: Counter[object]) -> None:
        super().__init__()
        self._runner = runner
        self._redis = redis
        self._contents = redis.register_script(_CONTENTS)
        self._store = RoomStore(redis, lease_ms=3_600_000, quick_failure_ms=3_600_000)
        self._operations = CallOperations(redis)
        self._reached = reached
        self.model = Model()
        self.taken: list[Message] = []
        self.away: set[str] = set()
        self.attempts: dict[str, int] = {}
        self.limits: dict[str, int | None] = {}
        self.most_unclaimed: int | None = None
        self.most_waiting: int | None = None
        self._counted: Counter[str] = Counter()
        self._claimants = 0
        self._told = 0
        self.claimed: list[Message] = []
        self._current: list[str] = []
        for _ in range(self.at_once):
            self._current.append(self._new_room())
        self.do(redis.flushall())

    def do(self, action: Awaitable[T]) -> T:
        """Run an action on the event loop that all rules share: hypothesis calls them synchronously."""
        return self._runner.get_loop().run_until_complete(action)

    def _new_room(self) -> str:
        number = len(self.model.rooms)
        sid = f"RM_{number:03}"
        self.model.rooms[sid] = RoomModel(sid, list(TENANTS)[number % len(TENANTS)])
        return sid

    def limits_of(self, room: RoomModel) -> Limits:
        """Return the limits of its tenant and its tier as they are declared now."""
        tier = TENANTS[room.tenant]
        return Limits(self.limits.get(room.tenant), self.limits.get(tier), self.most_unclaimed, self.most_waiting)

    def _room(self, number: int) -> RoomModel:
        return self.model.rooms[self._current[number % self.at_once]]

    def current(self, *states: State) -> list[RoomModel]:
        """Return the current rooms that are in one of these states."""
        return [room for sid in self._current if (room := self.model.rooms[sid]).state in states]

    def _some(self, which: int, *states: State) -> RoomModel:
        rooms = self.current(*states)
        return rooms[which % len(rooms)]

    def _same(self, action: str, answer: object, expected: object) -> None:
        assert answer == expected
        self._reached[action, expected] += 1

    @invariant()
    def redis_holds_what_the_model_holds(self) -> None:
        held, states, eligible, without_ttl = self.do(self._in_redis())
        assert set(without_ttl) <= {*keys.PERMANENT, *QUEUES}
        expected = {
            "open": self.model.sids(State.WAITING, State.QUEUED, State.RUNNING),
            "queued": self.model.sids(State.QUEUED),
            "leases": self.model.sids(State.RUNNING),
            "delayed": sorted(room.sid for room in self.model.rooms.values() if room.delayed),
            **{f"queue {tier}": [encoded(message) for message in self.model.queue_of(tier)] for tier in QUEUES},
            "conversations": [sid for sid, room in self.model.rooms.items() if room.conversation],
            "records": [" ".join(map(str, record)) for record in self.model.records],
            "letters": [encoded(message) for message in self.model.letters],
            "to notify": sorted(self.model.to_notify),
            "permits": sorted(self._permits()),
            "waitlist": [sid for tenant in sorted(TENANTS) for sid in self.model.admission.waitlists[tenant]],
            "unanswered": sorted(self.model.sids(State.WAITING, State.QUEUED)),
        }
        assert held.keys() == expected.keys()
        # Hypothesis leaves out what pytest would say.
        differences = {name: (held[name], expected[name]) for name in expected if held[name] != expected[name]}
        assert not differences, f"in Redis, in the model: {differences}"
        for sid, (state, *counts) in states.items():
            room = self.model.rooms[sid]
            assert (state, *(int(count or 0) for count in counts)) == (room.state, room.attempt, room.uncounted)
            assert room.attempt >= self.attempts.get(sid, 0)
            self.attempts[sid] = room.attempt
        queued = {f"{sid} {attempt}" for sid, (state, attempt, *_) in states.items() if state == State.QUEUED}
        self._a_queue_is_the_messages_of_its_queued_rooms(held, queued)
        self._no_tenant_stays_eligible_without_a_waiting_room(eligible)
        self._each_attempt_runs_or_has_left_one_record(held["records"])

    def _each_attempt_runs_or_has_left_one_record(self, records: list[str]) -> None:
        """Compare the records with the claims that were granted, not with what the model thinks of records."""
        ended = [(sid, int(attempt)) for kind, sid, attempt, *_ in map(str.split, records) if kind == "attempt"]
        running = [(room.sid, room.attempt) for room in self.model.rooms.values() if room.state is State.RUNNING]
        assert sorted(ended + running) == sorted(self.claimed)

    def _permits(self) -> list[str]:
        """Return the permits that have to exist, by the states of the rooms alone."""
        permits = []
        for room in self.model.rooms.values():
            if room.state in {State.QUEUED, State.RUNNING}:
                permits += [f"tenant:{room.tenant} {room.sid}", f"tier:{TENANTS[room.tenant]} {room.sid}"]
            if room.state is State.QUEUED:
                permits.append(f"unclaimed:{room.tenant} {room.sid}")
        return permits

    def _a_queue_is_the_messages_of_its_queued_rooms(self, held: dict[str, list[str]], queued: set[str]) -> None:
        """Compare queues with the rooms' hashes alone, not with what the model thinks of queues."""
        found = [message for tier in QUEUES for message in held[f"queue {tier}"]]
        assert len(found) == len(set(found))
        assert set(found) <= queued
        # The others have a delay, are in the hands of a worker, or were, when it died.
        delayed = {message for message in queued if message.split()[0] in held["delayed"]}
        assert queued - set(found) <= self.away | delayed
        assert not delayed & set(found)

    def _no_tenant_stays_eligible_without_a_waiting_room(self, eligible: list[str]) -> None:
        found = {tuple(member.split("\0")) for member in eligible}
        assert self.model.admission.eligible() <= found
        assert all(self.model.admission.waitlists[tenant] for _, tenant in found)

    @invariant()
    def no_limit_is_exceeded_and_no_room_waits_that_could_enter(self) -> None:
        admission = self.model.admission
        counted = Counter(permit.partition(" ")[0].partition(":")[2] for permit in self._permits() if permit[0] == "t")
        for name, number in counted.items():
            cap = admission.caps.get(name)
            assert cap is None or number <= max(cap, self._counted[name])
        self._counted = counted
        for tenant, waitlist in admission.waitlists.items():
            assert waitlist == sorted(waitlist, key=lambda sid: self.model.rooms[sid].arrived)
            assert not waitlist or not admission.may_enter(tenant)

    async def _in_redis(self) -> tuple[dict[str, list[str]], dict[str, list[str | None]], list[str], list[str]]:
        """Return the contents of keys, the fields of the current rooms, who is eligible, and the keys without a TTL."""
        asked = {
            "sets": _SETS,
            "queues": QUEUES,
            "streams": _STREAMS,
            "rooms": {sid: keys.room(sid) for sid in self._current},
            "conversations": keys.conversation("*"),
        }
        found = json.loads(await self._contents(args=[json.dumps(asked)]))
        # Lua has one empty table for both of JSON's.
        sets, queues = ({name: values or [] for name, values in found[kind].items()} for kind in ("sets", "queues"))
        calls, dead = ([_pairs(fields) for _, fields in found["streams"][name]] for name in _STREAMS)
        states = {sid: [field or None for field in found["rooms"][sid]] for sid in self._current}
        prefix = keys.conversation("")
        held = {
            **{name: sorted(sets[name]) for name in ("open", "queued", "leases", "to notify", "delayed")},
            "permits": sorted(
                f"{parts[0]} {parts[-1]}" for parts in (permit.split("\0") for permit in sets["permits"])
            ),
            "waitlist": [member.split("\0")[-1] for member in sets["waitlist"]],
            "unanswered": sorted(member.split("\0")[-1] for member in sets["unanswered"]),
            **{f"queue {tier}": queues[tier] for tier in QUEUES},
            "conversations": sorted(name.removeprefix(prefix) for name in found["conversations"]),
            "records": [recorded(fields) for fields in calls],
            "letters": [f"{fields['sid']} {fields['attempt']}" for fields in dead],
        }
        return held, states, sets["eligible"], list(found["without_ttl"])


def _pairs(fields: list[str]) -> dict[str, str]:
    """Return the fields of a stream's entry, which a script is given as names and values in turn."""
    return dict(zip(fields[::2], fields[1::2], strict=True))
