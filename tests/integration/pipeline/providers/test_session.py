"""The local providers in a real AgentSession, with the options of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from livekit.agents import Agent, AgentSession, AgentStateChangedEvent, ConversationItemAddedEvent
from livekit.agents.llm import ChatMessage

from pipeline.options import ProviderOptions, TurnOptions, VadOptions
from pipeline.providers import build_llm, build_stt, build_tts
from pipeline.providers.local.script import default_script, spoken_sentences
from pipeline.providers.local.sphinx import recognise
from pipeline.voice_agent.session import build_turn_handling, build_vad
from tests.integration.pipeline.providers.telephone import Loudspeaker, Microphone
from tests.support.speech import spoken

ANSWER_SECONDS = 20.0
SENTENCES = spoken_sentences(default_script().answers)


@dataclass
class Conversation:
    """A session with a microphone and a loudspeaker, and the messages of its conversation."""

    session: AgentSession[None]
    microphone: Microphone
    loudspeaker: Loudspeaker
    messages: asyncio.Queue[ChatMessage] = field(default_factory=asyncio.Queue)

    async def next_message(self, role: str) -> ChatMessage:
        """Return the next message of this role."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while (message := await self.messages.get()).role != role:
                pass
            return message

    async def exchange(self, question: str) -> tuple[str, str]:
        """Ask a question. Returns its transcript and the answer."""
        self.microphone.say(spoken(question))
        transcript = await self.next_message("user")
        answer = await self.next_message("assistant")
        return transcript.text_content or "", answer.text_content or ""


@pytest.fixture
async def conversation() -> AsyncIterator[Conversation]:
    local = ProviderOptions("local")
    session: AgentSession[None] = AgentSession(
        stt=build_stt(local),
        llm=build_llm(local),
        tts=build_tts(local),
        vad=build_vad(VadOptions()),
        turn_handling=build_turn_handling(TurnOptions(detection="vad")),
        aec_warmup_duration=None,
        user_away_timeout=None,
    )
    conversation = Conversation(session, Microphone(), Loudspeaker())
    session.input.audio = conversation.microphone
    session.output.audio = conversation.loudspeaker

    def on_item(event: ConversationItemAddedEvent) -> None:
        if isinstance(event.item, ChatMessage):
            conversation.messages.put_nowait(event.item)

    session.on("conversation_item_added", on_item)
    await session.start(Agent(instructions="Be brief."), record=False)
    try:
        yield conversation
    finally:
        await session.aclose()


async def test_a_caller_is_understood_answered_and_remembered(conversation: Conversation) -> None:
    assert await conversation.exchange("my name is mary") == ("my name is mary", "Nice to meet you, Mary.")
    assert await conversation.exchange("what is my name") == ("what is my name", "Your name is Mary.")
    heard = [" ".join(recognise(segment, SENTENCES)) for segment in conversation.loudspeaker.segments]
    assert heard == ["nice to meet you mary", "your name is mary"]


async def test_a_caller_who_interrupts_is_not_spoken_over(conversation: Conversation) -> None:
    conversation.microphone.say(spoken("tell me a long story"))
    assert (await conversation.next_message("user")).text_content == "tell me a long story"
    speaking = asyncio.Event()

    def changed(event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            speaking.set()

    conversation.session.on("agent_state_changed", changed)
    await speaking.wait()
    conversation.microphone.say(spoken("what is your address"))
    story = await conversation.next_message("assistant")
    assert story.interrupted
    assert (await conversation.next_message("assistant")).text_content == default_script().answer(
        ["what is your address"]
    )
    assert conversation.loudspeaker.played_seconds[0] < 10
