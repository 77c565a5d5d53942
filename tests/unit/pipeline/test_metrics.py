"""The metrics of a call, from the events of real sessions that no room is behind."""

from __future__ import annotations

from typing import Any

import pytest
from livekit.agents import (
    AgentFalseInterruptionEvent,
    AgentSession,
    ConversationItemAddedEvent,
    SessionUsageUpdatedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import ChatMessage
from livekit.agents.metrics import AgentSessionUsage, LLMModelUsage, ModelUsage, TTSModelUsage

from pipeline.metrics import MOST_REPLIES, CallMetrics

Session = AgentSession[Any]


@pytest.fixture
async def session() -> Session:
    return AgentSession()


@pytest.fixture
async def metrics(session: Session) -> CallMetrics:
    metrics = CallMetrics(lambda: None)
    metrics.watch(session)
    return metrics


def asks(session: Session, stopped_at: float | None = None) -> None:
    """Add a message of the caller's."""
    item = ChatMessage(
        role="user", content=["hello"], metrics={"stopped_speaking_at": stopped_at} if stopped_at else {}
    )
    session.emit("conversation_item_added", ConversationItemAddedEvent(item=item))


def says(session: Session, *, interrupted: bool = False, **stamps: float) -> None:
    """Add a message of the agent's."""
    item = ChatMessage(role="assistant", content=["hello"], interrupted=interrupted, metrics=stamps)  # type: ignore[arg-type]
    session.emit("conversation_item_added", ConversationItemAddedEvent(item=item))


def falls_silent(session: Session, at: float) -> None:
    """Have the caller stop to speak."""
    event = UserStateChangedEvent(old_state="speaking", new_state="listening", created_at=at)
    session.emit("user_state_changed", event)


def uses(session: Session, *usage: ModelUsage) -> None:
    """Have the session tell its usage."""
    session.emit("session_usage_updated", SessionUsageUpdatedEvent(usage=AgentSessionUsage(list(usage))))


def llm(tokens: int) -> LLMModelUsage:
    return LLMModelUsage(provider="openai", model="gpt", output_tokens=tokens)


def measured(turns: int, replies_ms: list[int], interruptions: int = 0) -> dict[str, Any]:
    return {"turns": turns, "replies_ms": replies_ms, "interruptions": interruptions}


async def test_a_reply_takes_as_long_as_the_session_says(session: Session, metrics: CallMetrics) -> None:
    says(session, started_speaking_at=1.0)
    asks(session, stopped_at=10.0)
    says(session, started_speaking_at=10.6, e2e_latency=0.6)
    assert metrics.turns() == measured(1, [600])


async def test_a_reply_after_a_tool_is_the_same_reply(session: Session, metrics: CallMetrics) -> None:
    asks(session, stopped_at=10.0)
    says(session, started_speaking_at=10.5, e2e_latency=0.5)
    says(session, started_speaking_at=14.0)
    assert metrics.turns() == measured(1, [500])


async def test_what_the_agent_says_itself_is_a_reply_too(session: Session, metrics: CallMetrics) -> None:
    asks(session, stopped_at=10.0)
    says(session, started_speaking_at=10.4)
    says(session, started_speaking_at=30.0)
    assert metrics.turns() == measured(1, [400])


async def test_an_agent_without_a_language_model_is_measured_by_when_its_caller_is_heard(
    session: Session, metrics: CallMetrics
) -> None:
    for at in (10.0, 20.0):
        falls_silent(session, at)
        says(session, started_speaking_at=at + 0.25)
    assert metrics.turns() == measured(2, [250, 250])


async def test_an_interrupted_reply_is_not_the_reply_to_the_interruption(
    session: Session, metrics: CallMetrics
) -> None:
    asks(session, stopped_at=10.0)
    falls_silent(session, 12.0)
    says(session, started_speaking_at=10.5, e2e_latency=0.5, interrupted=True)
    asks(session, stopped_at=12.0)
    says(session, started_speaking_at=12.7, e2e_latency=0.7)
    assert metrics.turns() == measured(2, [500, 700], interruptions=1)


async def test_somebody_who_only_seemed_to_interrupt_waits_for_no_reply(session: Session, metrics: CallMetrics) -> None:
    falls_silent(session, 12.0)
    session.emit("agent_false_interruption", AgentFalseInterruptionEvent(resumed=True))
    says(session, started_speaking_at=20.0)
    assert metrics.turns() == measured(0, [])


async def test_a_caller_who_types_is_a_turn_without_a_reply_time(session: Session, metrics: CallMetrics) -> None:
    asks(session)
    says(session, started_speaking_at=20.0)
    assert metrics.turns() == measured(1, [])


@pytest.mark.parametrize("seconds", [-0.2, 203.4])
async def test_a_wrong_stamp_is_no_reply_time(session: Session, metrics: CallMetrics, seconds: float) -> None:
    asks(session, stopped_at=10.0)
    says(session, started_speaking_at=10.0 + seconds, e2e_latency=seconds)
    assert metrics.turns() == measured(1, [])


async def test_the_reply_times_of_a_very_long_call_are_its_first_ones(session: Session, metrics: CallMetrics) -> None:
    for number in range(MOST_REPLIES + 5):
        asks(session, stopped_at=number)
        says(session, e2e_latency=number / 1000)
    turns = metrics.turns()
    assert turns["turns"] == MOST_REPLIES + 5
    assert turns["replies_ms"] == list(range(MOST_REPLIES))


async def test_usage_grows_and_is_told_once_for_each_model(session: Session, metrics: CallMetrics) -> None:
    uses(session, llm(3))
    uses(session, llm(8), TTSModelUsage(provider="elevenlabs", model="eleven", characters_count=40))
    found = {entry["type"]: entry for entry in metrics.usage()}
    # The session itself has counted nothing, so its usage looks as if it had been started again.
    assert found["llm_usage"]["output_tokens"] == 8
    assert found["tts_usage"]["characters_count"] == 40


async def test_a_session_that_is_started_again_keeps_its_usage(session: Session, metrics: CallMetrics) -> None:
    uses(session, llm(8))
    uses(session, llm(2))
    uses(session, llm(5))
    assert [entry["output_tokens"] for entry in metrics.usage()] == [13]


async def test_sessions_are_added_up(session: Session, metrics: CallMetrics) -> None:
    another: Session = AgentSession()
    metrics.watch(another)
    metrics.watch(another)
    uses(session, llm(8))
    uses(another, llm(2))
    for each in (session, another):
        asks(each, stopped_at=1.0)
        says(each, e2e_latency=0.5)
    assert [entry["output_tokens"] for entry in metrics.usage()] == [10]
    assert metrics.turns() == measured(2, [500, 500])
