"""The voice agent's apology for a reply that failed: said once, when the reply would have been spoken."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast

import pytest
from livekit import rtc
from livekit.agents import APIStatusError, ErrorEvent, SpeechCreatedEvent
from livekit.agents.llm import LLMError
from livekit.agents.voice import SpeechHandle

from pipeline.failure_log import FailureLog
from pipeline.options import ProviderOptions, VoiceAgentOptions
from pipeline.voice_agent.failure_responder import FailureResponder

LOCAL = ProviderOptions("local")
OPTIONS = VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL, trouble_phrase="sorry")


class Session(rtc.EventEmitter[Literal["error", "speech_created"]]):
    """The events of a session, and what an agent says in it."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.closing = False

    def say(self, text: str, **_: Any) -> None:
        if self.closing:
            raise RuntimeError
        self.said.append(text)

    def begin_reply(self, source: Literal["say", "generate_reply"] = "generate_reply") -> SpeechHandle:
        reply = SpeechHandle.create()
        self.emit("speech_created", SpeechCreatedEvent(user_initiated=False, source=source, speech_handle=reply))
        return reply

    def fail(self, *, recoverable: bool = False) -> None:
        busy = APIStatusError("busy", status_code=429)
        error = LLMError(timestamp=0.0, label="llm", error=busy, recoverable=recoverable)
        self.emit("error", ErrorEvent(error=error, source=cast("Any", None)))


@pytest.fixture
def session() -> Session:
    session = Session()
    FailureResponder(cast("Any", None), cast("Any", session), OPTIONS, FailureLog())
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


async def test_a_session_that_is_closing_gets_none(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    reply = session.begin_reply()
    session.fail()
    session.closing = True
    await end(reply)
    assert (session.said, caplog.records) == ([], [])
