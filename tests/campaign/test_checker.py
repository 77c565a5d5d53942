"""The checker on made-up observations: each broken promise is seen, and what is excused is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ops.caller.recording import Interval
from tests.campaign.checker import Checker
from tests.campaign.history import CallerPlan, History, RoomPlan, Visit
from tests.campaign.observations import (
    Act,
    AgentSeen,
    FaultSeen,
    HistoryClock,
    Observations,
    RoomSeen,
    Sample,
    VisitSeen,
)

ONE, TWO = "agent-RM_1-1", "agent-RM_1-2"
ROOM = "call-clerk_premium-1"


def healthy() -> tuple[Observations, VisitSeen]:
    """A visit from 1 s to 31 s, with a question each 5 s and an answer to each."""
    plan = Visit(1.0, 31.0, "r1.a")
    room_plan = RoomPlan("r1", "clerk", "premium", 1, 5.0, (CallerPlan("r1.a", (plan,)),))
    visit = VisitSeen("r1.a", plan, sid="RM_1", joined=1.0, left=31.0)
    visit.asks = [Interval(at, at + 0.5) for at in (5.0, 10.0, 15.0, 20.0, 25.0)]
    visit.sounds = {ONE: [Interval(ask.end + 0.7, ask.end + 1.5) for ask in visit.asks]}
    visit.agents = [AgentSeen(ONE, 1.2)]
    seen = Observations(History(1, 0, 31.0, (room_plan,), ()), HistoryClock())
    seen.rooms = [RoomSeen(room_plan, ROOM, [visit])]
    seen.acts = [act("order", ask.end + 0.6, call=f"c{index}") for index, ask in enumerate(visit.asks)]
    seen.rooms[0].samples = [Sample(float(at), (ONE,), ("r1.a",)) for at in range(2, 31)]
    return seen, visit


def act(name: str, at: float, *, attempt: int = 1, seconds: float = 0.0, call: str = "") -> Act:
    return Act(at, ROOM, "RM_1", attempt, name, seconds, call)


def kinds(seen: Observations, *, slack: float = 1.0) -> list[str]:
    return [violation.kind for violation in Checker(seen, slack=slack).verdicts()]


def silent_from(visit: VisitSeen, at: float, until: float = 99.0) -> None:
    visit.sounds = {
        speaker: [each for each in heard if not at < each.begin < until] for speaker, heard in visit.sounds.items()
    }


def test_a_healthy_call_violates_nothing() -> None:
    assert kinds(healthy()[0]) == []


def test_a_question_without_an_answer_is_seen_and_a_slow_answer_on_a_busy_machine_is_not() -> None:
    seen, visit = healthy()
    silent_from(visit, 9.0, 18.0)
    assert kinds(seen) == ["unanswered"]
    assert kinds(seen, slack=2.0) == []


def test_a_question_whose_caller_leaves_in_time_is_undecided() -> None:
    seen, visit = healthy()
    silent_from(visit, 24.0)
    assert kinds(seen) == []
    assert Checker(seen).undecided(seen.rooms[0], visit, asked=seen.clock.now())


@pytest.mark.parametrize(("begin", "violations"), [(9.0, []), (2.0, ["unanswered"])])
def test_silence_is_excused_after_a_fault_for_the_time_of_its_kind_only(begin: float, violations: list[str]) -> None:
    seen, visit = healthy()
    silent_from(visit, 9.0, 20.0)
    seen.faults = [FaultSeen("f1", "worker killed", begin, begin + 5.0)]
    assert kinds(seen) == violations


def test_an_agent_that_blocks_is_excused_for_as_long_as_it_may_block_and_not_for_ever() -> None:
    seen, visit = healthy()
    silent_from(visit, 9.0, 20.0)
    seen.acts.append(act("block", 10.6, seconds=8.0))
    assert kinds(seen) == []
    silent_from(visit, 9.0)
    seen.acts[-1] = act("block", 10.6, seconds=3600.0)
    visit.asks += [Interval(30.0, 30.5)]
    visit.left = 60.0
    assert kinds(seen) == ["unanswered"]


def test_a_caller_who_reads_why_not_is_answered_if_the_reason_is_a_public_one() -> None:
    seen, visit = healthy()
    silent_from(visit, 9.0)
    visit.told = (12.0, "busy")
    visit.thrown_out = (17.0, "ROOM_DELETED")
    assert kinds(seen) == []
    visit.told = (12.0, "No module named 'agents'")
    assert kinds(seen) == ["wrong reason"]
    visit.told = None
    assert kinds(seen) == ["unanswered", "thrown out"]


def test_a_room_that_a_backend_deletes_throws_its_callers_out() -> None:
    seen, visit = healthy()
    visit.thrown_out = (30.9, "ROOM_DELETED")
    assert kinds(seen) == ["thrown out"]
    seen.rooms[0].deleted = [30.8]
    assert kinds(seen) == []


def test_a_silent_caller_is_left_alone_when_no_agent_is_in_the_room() -> None:
    seen, visit = healthy()
    visit.plan = replace(visit.plan, voice="silent")
    visit.asks, visit.sounds, seen.acts = [], {}, []
    assert kinds(seen) == []
    visit.agents = [AgentSeen(ONE, 1.2, 9.0), AgentSeen(TWO, 20.0)]
    assert kinds(seen) == ["left alone"]
    visit.agents = [AgentSeen(ONE, 1.2, 9.0)]
    assert kinds(seen) == ["left alone"]


def test_two_agents_at_once_are_heard() -> None:
    seen, visit = healthy()
    visit.sounds[TWO] = [Interval(each.begin + 0.4, each.end + 0.4) for each in visit.sounds[ONE][:3]]
    assert kinds(seen) == ["two agents"]


def test_an_agent_that_comes_after_another_has_ended_the_call_on_purpose_is_seen_unless_a_fault_hit_the_end() -> None:
    seen, visit = healthy()
    silent_from(visit, 9.0)
    seen.acts.append(act("end", 9.0))
    assert kinds(seen) == []
    visit.agents.append(AgentSeen(TWO, 12.0))
    assert kinds(seen) == ["came back"]
    seen.faults = [FaultSeen("f1", "child killed", 8.5, 8.5)]
    assert kinds(seen) == []


def test_an_agent_without_a_caller_is_seen_and_a_hidden_one_is_no_caller() -> None:
    seen, _ = healthy()
    seen.rooms[0].samples += [Sample(float(at), (ONE,), ()) for at in range(31, 44)]
    assert kinds(seen) == []
    seen.rooms[0].samples += [Sample(float(at), (ONE,), ()) for at in range(44, 50)]
    assert kinds(seen) == ["no caller"]


def test_a_tools_effect_that_is_repeated_is_seen() -> None:
    seen, _ = healthy()
    seen.acts.append(act("order", 26.5, attempt=2, call="c9"))
    assert kinds(seen) == ["repeated"]
    seen.acts[-1] = act("order", 26.5, call="c9")
    assert kinds(seen) == []
    seen.acts[-1] = act("order", 26.5, attempt=2, call="c0")
    assert kinds(seen) == ["repeated", "repeated"]


def test_a_question_that_a_busy_machine_has_torn_may_be_taken_for_two() -> None:
    seen, visit = healthy()
    seen.acts.append(act("order", 26.5, attempt=2, call="c9"))
    last = visit.asks[-1]
    visit.asks[-1] = Interval(last.begin - 0.6, last.end)
    assert kinds(seen) == []


def test_what_an_agent_or_a_part_could_not_do_is_seen() -> None:
    seen, _ = healthy()
    seen.acts.append(act("failed: daemonic processes", 3.0))
    seen.faults = [FaultSeen("f1", "worker drained", 2.0, 3.0, problem="worker-one exited with 1")]
    assert kinds(seen) == ["fault", "failed"]
