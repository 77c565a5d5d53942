"""The verdicts on what was seen: from the callers' side, and from what agents noted of their own acts.

unanswered    a caller asked, and heard no agent within the promised time, nor read why not
left alone    a caller who says nothing was without an agent for longer than promised
thrown out    a caller was disconnected without having read why
wrong reason  a caller read another reason than one of the public ones
two agents    a caller heard two agents at the same time
came back     an agent came into a room whose agent had ended the call on purpose
no caller     an agent stayed in a room without a caller after the grace
repeated      a tool's effect happened more often than callers asked, or twice for one call of the tool
fault         a part did not stop in a drain, or did not start again
failed        an agent could not do what works under livekit-agents' own worker
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ops.caller.recording import Interval
from tests.campaign.excuses import Excuses
from tests.campaign.installation import GRACE_SECONDS, JOIN_SECONDS
from tests.campaign.observations import Observations, RoomSeen, VisitSeen

ANSWER_SECONDS = 6.0
"""The longest time from the end of a question to an agent's sound, on a machine that does many other things."""
OVERLAP_SECONDS = 0.5
ENDED_SECONDS = 1.0
"""An agent that was on its way when another one ended the call may still have come."""
DELETED_SECONDS = 3.0
LEAVE_SECONDS = 12.0
"""The time that an agent has to leave, after the grace: shutdown callbacks may take 10 s."""
LISTED_SECONDS = 16.0
"""The LiveKit server lists an agent that was killed, or cut off, for so long."""
PUBLIC_REASONS = frozenset({"busy", "unavailable", "ended"})
SAME_TURN_SECONDS = 2.0
GAP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept. `subject`: a room, caller, or part."""

    kind: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.text}"


class Checker:
    """The checker of one history."""

    def __init__(self, seen: Observations, *, slack: float = 1.0) -> None:
        self._seen = seen
        self._slack = slack

    def excuses(self, room: RoomSeen, sid: str | None = None) -> Excuses:
        """Return the excuses of a room. `sid`: an agent that has ended the call on purpose has ended this one only."""
        acts = [
            act
            for act in self._seen.acts
            if act.room == room.name and (act.act != "end" or sid is None or act.sid == sid)
        ]
        return Excuses(self._seen.faults, acts, slack=self._slack)

    def undecided(self, room: RoomSeen, visit: VisitSeen, asked: float) -> bool:
        """Return whether the answer to a question may still come in time."""
        if any(act.act == "end" and act.sid == visit.sid for act in self._seen.acts):
            return False
        waited = self.excuses(room, visit.sid).net(asked, self._seen.clock.now())
        return waited <= ANSWER_SECONDS * self._slack

    def verdicts(self) -> list[Violation]:
        """Return all violations."""
        found = [Violation("fault", fault.kind, fault.problem) for fault in self._seen.faults if fault.problem]
        return found + [violation for room in self._seen.rooms for violation in self._of_room(room)]

    def _of_room(self, room: RoomSeen) -> Iterator[Violation]:
        for visit in room.visits:
            if visit.plan.kind == "hidden" or visit.joined is None:
                continue
            excuses = self.excuses(room, visit.sid)
            yield from self._unanswered(room, visit, excuses)
            yield from self._left_alone(visit, excuses)
            yield from self._thrown_out(room, visit)
            yield from _wrong_reason(visit)
        for visit in room.visits:
            yield from _two_agents(visit)
        yield from self._came_back(room)
        yield from self._no_caller(room)
        yield from self._repeated(room)
        yield from self._failed(room)

    def _unanswered(self, room: RoomSeen, visit: VisitSeen, excuses: Excuses) -> Iterator[Violation]:
        bound = ANSWER_SECONDS * self._slack
        sounds = [interval for heard in visit.sounds.values() for interval in heard]
        for ask in visit.asks:
            if self._another_is_heard_instead(room, visit, ask):
                continue
            at = min((max(begin, ask.end) for begin, end in sounds if end > ask.end), default=float("inf"))
            until = min(at, visit.until, visit.told[0] if visit.told else float("inf"))
            waited = excuses.net(ask.end, until)
            if waited > bound:
                text = f"asked at {ask.end:.1f} s, in {visit.sid}, heard nothing until {until:.1f} s"
                yield Violation("unanswered", visit.caller, f"{text}: {waited:.1f} s that nothing excuses")
                return

    def _another_is_heard_instead(self, room: RoomSeen, visit: VisitSeen, ask: Interval) -> bool:
        """Return whether somebody else is there who says nothing: an agent listens to one caller at a time."""
        return any(
            other.caller != visit.caller
            and other.plan.kind != "hidden"
            and other.plan.voice in {"silent", "mutes"}
            and other.joined is not None
            and other.joined < ask.end
            and other.until > ask.end
            for other in room.visits
        )

    def _left_alone(self, visit: VisitSeen, excuses: Excuses) -> Iterator[Violation]:
        if visit.plan.voice != "silent" or visit.joined is None:
            return
        alone_since = visit.joined
        there = sorted((agent.begin, agent.end or visit.until) for agent in visit.agents)
        told = visit.told[0] if visit.told else float("inf")
        for begin, end in [*there, (min(visit.until, told), visit.until)]:
            waited = excuses.net(alone_since, begin) if begin > alone_since else 0.0
            if waited > ANSWER_SECONDS * self._slack:
                yield Violation("left alone", visit.caller, f"no agent in {visit.sid}, {alone_since:.1f}-{begin:.1f} s")
                return
            alone_since = max(alone_since, end)

    def _thrown_out(self, room: RoomSeen, visit: VisitSeen) -> Iterator[Violation]:
        if visit.thrown_out is None or visit.told is not None:
            return
        at, reason = visit.thrown_out
        deleted = any(abs(at - when) < DELETED_SECONDS for when in room.deleted)
        restarts = Excuses(
            [fault for fault in self._seen.faults if fault.kind == "LiveKit restarted"], (), slack=self._slack
        )
        if not (deleted or restarts.touches(at, at) or "DUPLICATE" in reason):
            yield Violation("thrown out", visit.caller, f"{reason} at {at:.1f} s, in {visit.sid}")

    def _came_back(self, room: RoomSeen) -> Iterator[Violation]:
        faults = Excuses(self._seen.faults, (), slack=self._slack)
        for act in (act for act in self._seen.acts if act.room == room.name and act.act == "end"):
            if faults.touches(act.at - ENDED_SECONDS, act.at + LEAVE_SECONDS):
                continue
            for visit in room.visits:
                for agent in visit.agents:
                    another = agent.identity.startswith(f"agent-{act.sid}-")
                    another = another and not agent.identity.endswith(f"-{act.attempt}")
                    if another and agent.begin > act.at + ENDED_SECONDS:
                        text = f"{agent.identity} at {agent.begin:.1f} s; attempt {act.attempt} ended at {act.at:.1f} s"
                        yield Violation("came back", visit.caller, text)
                        return

    def _no_caller(self, room: RoomSeen) -> Iterator[Violation]:
        bound = (GRACE_SECONDS + LEAVE_SECONDS) * self._slack
        excuses = self.excuses(room)
        since: float | None = None
        came = False
        for sample in room.samples:
            came = came or bool(sample.callers)
            if sample.callers or not sample.agents:
                since = None
                continue
            since = sample.at if since is None else since
            # One that was killed, or cut off, stays in the list for a while, and so does one whose excuse has ended.
            listed = LISTED_SECONDS if excuses.touches(since - LISTED_SECONDS, sample.at) else 0.0
            waited = excuses.net(since, sample.at) - listed - (0.0 if came else JOIN_SECONDS)
            if waited > bound:
                text = f"{', '.join(sample.agents)} without a caller, {since:.1f}-{sample.at:.1f} s"
                yield Violation("no caller", room.name, text)
                return

    def _repeated(self, room: RoomSeen) -> Iterator[Violation]:
        orders = [act for act in self._seen.acts if act.room == room.name and act.act == "order"]
        # On a busy machine a word may have a gap, by which one agent takes it for two turns.
        turns = [
            act
            for before, act in pairwise([None, *orders])
            if act is not None
            and (before is None or before.attempt != act.attempt or act.at - before.at > SAME_TURN_SECONDS)
        ]
        asks = sum(len(visit.asks) for visit in room.visits)
        if len(turns) > asks + sum(_gaps(visit.asks) for visit in room.visits):
            yield Violation("repeated", room.name, f"{len(turns)} orders, and callers asked {asks} times")
        for call, count in Counter(act.call for act in orders).items():
            if count > 1:
                yield Violation("repeated", room.name, f"the tool's call {call} happened {count} times")

    def _failed(self, room: RoomSeen) -> Iterator[Violation]:
        for act in self._seen.acts:
            if act.room == room.name and act.act.startswith("failed"):
                yield Violation("failed", room.name, act.act)
                return


def _gaps(asks: Sequence[Interval]) -> int:
    """Return the turns that asks may be taken for beyond one each: a machine too busy to speak them leaves gaps."""
    seconds = [ask.end - ask.begin for ask in asks]
    return sum(int((each - min(seconds)) / GAP_SECONDS) for each in seconds)


def _wrong_reason(visit: VisitSeen) -> Iterator[Violation]:
    if visit.told is not None and visit.told[1] not in PUBLIC_REASONS:
        yield Violation("wrong reason", visit.caller, f"read {visit.told[1]!r}")


def _two_agents(visit: VisitSeen) -> Iterator[Violation]:
    for (one, its), (other, others) in combinations(visit.sounds.items(), 2):
        doubled = sum(max(0.0, min(a.end, b.end) - max(a.begin, b.begin)) for a in its for b in others)
        if doubled > OVERLAP_SECONDS:
            yield Violation("two agents", visit.caller, f"{one} and {other} at once for {doubled:.1f} s")
