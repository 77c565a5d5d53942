"""The voice agent's reaction to a reply that failed: once, and when the reply would have been spoken."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast
from unittest.mock import Mock

import pytest
from livekit import rtc
from livekit.agents import APIStatusError, ErrorEvent, SpeechCreatedEvent
from livekit.agents.llm import LLMError
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.agent_session import SessionConnectOptions

from pipeline.failure_log import FailureLog
from pipeline.options import ProviderOptions, VoiceAgentOptions
from pipeline.voice_agent.failure_responder import FailureResponder
from tests.support.waiting import until

LOCAL = ProviderOptions("local")
OPTIONS = VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL, trouble_phrase="sorry", refused_phrase="goodbye")


class Session(rtc.EventEmitter[Literal["error", "speech_created"]]):
    """The events of a session and of its LLM, and what an agent says in it. `job`: of the call."""

    def __init__(self) -> None:
        super().__init__()
        self.llm = rtc.EventEmitter[Literal["error"]]()
        self.conn_options = SessionConnectOptions()
        self.job = Mock()
        self.said: list[str] = []
        self.closing = False

    def say(self, text: str, **_: Any) -> SpeechHandle:
        if self.closing:
            raise RuntimeError
        self.said.append(text)
        said = SpeechHandle.create()
        said._mark_done()
        return said

    def begin_reply(self, source: Literal["say", "generate_reply"] = "generate_reply") -> SpeechHandle:
        reply = SpeechHandle.create()
        self.emit("speech_created", SpeechCreatedEvent(user_initiated=False, source=source, speech_handle=reply))
        return reply

    def fail(self, status: int = 429, *, recoverable: bool = False) -> None:
        failure = APIStatusError("failed", status_code=status)
        error = LLMError(timestamp=0.0, label="llm", error=failure, recoverable=recoverable)
        self.llm.emit("error", error)
        self.emit("error", ErrorEvent(error=error, source=cast("Any", None)))


@pytest.fixture
def session() -> Session:
    session = Session()
    failures = FailureLog()
    failures.watch("llm", 0, "openai", session.llm)
    FailureResponder(session.job, cast("Any", session), OPTIONS, failures)
    return session


async def end(reply: SpeechHandle) -> None:
    reply._mark_done()
    # A speech runs its callbacks in the next iteration of the loop.
    await asyncio.sleep(0)


async def test_the_apology_takes_the_place_of_the_failed_reply(session: Session) -> None:
    reply = session.begin_reply()
    session.fail()
    assert session.said == []
    await end(reply)
    assert session.said == ["sorry"]


async def test_a_failed_reply_that_another_one_has_replaced_gets_no_apology(session: Session) -> None:
    early = session.begin_reply()
    session.fail()
    early.interrupt()
    later = session.begin_reply()
    await end(early)
    await end(later)
    assert session.said == []


async def test_the_reply_that_replaced_it_gets_one_if_it_fails_too(session: Session) -> None:
    early = session.begin_reply()
    session.fail()
    early.interrupt()
    later = session.begin_reply()
    session.fail()
    await end(early)
    await end(later)
    assert session.said == ["sorry"]


async def test_a_failure_outside_of_replies_gets_its_apology_at_once(session: Session) -> None:
    session.begin_reply("say")
    session.fail()
    assert session.said == ["sorry"]


async def test_a_failure_that_is_tried_again_gets_none(session: Session) -> None:
    reply = session.begin_reply()
    session.fail(recoverable=True)
    await end(reply)
    assert session.said == []


async def test_a_refused_key_ends_the_call_when_the_reply_would_have_been_spoken(session: Session) -> None:
    reply = session.begin_reply()
    session.fail(401)
    session.fail(401)
    assert session.said == []
    assert session.conn_options.max_unrecoverable_errors > 2
    await end(reply)

    async def ended() -> bool:
        return bool(session.job.shutdown.called)

    await until(ended)
    assert session.said == ["goodbye"]


async def test_a_session_that_is_closing_gets_none(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    reply = session.begin_reply()
    session.fail()
    session.closing = True
    caplog.clear()
    await end(reply)
    assert (session.said, caplog.records) == ([], [])
