"""The first words of the voice agent: the announcement of a recording, and the greeting."""

from __future__ import annotations

from typing import Any
from unittest.mock import PropertyMock, patch

import pytest

from pipeline.conversation import Conversation
from pipeline.options import ProviderOptions, VoiceAgentOptions
from pipeline.voice_agent.agent import VoiceAgent

LOCAL = ProviderOptions("local")
OPTIONS = VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL, greeting="hello", recording_phrase="this is recorded")
EARLIER = '{"history": {"items": [{"id": "1", "type": "message", "role": "user", "content": ["hi"]}]}, "state": {}}'


class Session:
    """What an agent says in it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bool]] = []

    def say(self, text: str, *, allow_interruptions: bool = True, **_: Any) -> None:
        self.said.append((text, allow_interruptions))

    def generate_reply(self) -> None:
        """Nothing is generated here."""


async def first_words(conversation: Conversation, *, recorded: bool) -> list[tuple[str, bool]]:
    session = Session()
    agent = VoiceAgent(OPTIONS, conversation, recorded=recorded)
    with patch.object(VoiceAgent, "session", PropertyMock(return_value=session)):
        await agent.on_enter()
    return session.said


async def test_a_call_that_is_recorded_begins_with_the_announcement_which_is_said_to_its_end() -> None:
    assert await first_words(Conversation(), recorded=True) == [("this is recorded", False), ("hello", True)]


async def test_a_call_that_is_not_recorded_begins_with_the_greeting() -> None:
    assert await first_words(Conversation(), recorded=False) == [("hello", True)]


@pytest.mark.parametrize("handed_over", [True, False])
async def test_who_takes_over_a_call_does_not_announce_it_again(*, handed_over: bool) -> None:
    conversation = Conversation.from_json(EARLIER, handed_over=handed_over)
    assert ("this is recorded", False) not in await first_words(conversation, recorded=True)
