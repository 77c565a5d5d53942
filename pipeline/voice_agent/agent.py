"""The agent of a session: a tenant's instructions, and the first words of a call."""

from __future__ import annotations

from livekit.agents import Agent

from pipeline.conversation import Conversation
from pipeline.options import VoiceAgentOptions


class VoiceAgent(Agent):
    """Agent that greets the first caller, or resumes the conversation of an earlier attempt."""

    def __init__(self, options: VoiceAgentOptions, conversation: Conversation, *, recorded: bool = False) -> None:
        super().__init__(instructions=options.instructions, chat_ctx=conversation.history)
        self._options = options
        self._conversation = conversation
        self._announcement = options.recording_phrase if recorded and not conversation.resumed else None

    async def on_enter(self) -> None:
        """Say the first words. The session holds them back until a caller listens."""
        conversation = self._conversation
        if not conversation.resumed:
            words = self._options.greeting
        else:
            words = None if conversation.handed_over else self._options.cut_off_phrase
        if self._announcement:
            # Whoever talks over it must have heard it all the same.
            self.session.say(self._announcement, allow_interruptions=False)
        if words:
            self.session.say(words, add_to_chat_ctx=not conversation.resumed)
        if conversation.resumed and conversation.unanswered:
            self.session.generate_reply()
