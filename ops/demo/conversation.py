"""One caller's side of one call: it waits, asks, listens, interrupts, and leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.caller.caller import Caller
from ops.caller.errors import NoAnswer
from ops.caller.recording import Stretch
from ops.caller.voice import speech, understand
from ops.demo import dialogue

GREETING_SECONDS = 20.0
"""How long the caller waits for an agent, and for its first word."""
REPEAT_SECONDS = 5.0
"""How long the caller waits for an answer before it says it again."""
ANSWER_SECONDS = 15.0
QUIET_SECONDS = 0.6
"""How long the agent is silent when it has said what it wanted to say: longer than between two sentences."""
PATIENCE_SECONDS = 1.5
"""How long the caller listens to the story."""
STOPPED_SECONDS = 0.25
"""How long the agent is silent when it has noticed that it is interrupted."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the caller said and when, and when it listened to the agent's reaction."""

    said: str
    spoken: Stretch
    reaction: Stretch
    possible: tuple[str, ...]
    """Everything that the agent could have said to it."""


class Conversation:
    """The demo's dialogue. `turns` holds what was said so far, also when it breaks off with an error."""

    def __init__(self, caller: Caller, greeting: str, on_said: Callable[[str], None]) -> None:
        self.turns: list[Turn] = []
        self._caller = caller
        self._possible = (greeting, *dialogue.answers())
        self._on_said = on_said

    async def hold(self) -> None:
        """From the greeting to the goodbye. Raises NoAnswer or CallEnded."""
        caller = self._caller
        await caller.agent(GREETING_SECONDS)
        await caller.ear.sound(0.0, GREETING_SECONDS)
        await self._listen("", Stretch(0.0, 0.0))
        await self._listen(dialogue.QUESTION, await self._ask(dialogue.QUESTION))
        spoken = await self._ask(dialogue.STORY_REQUEST)
        await asyncio.sleep(PATIENCE_SECONDS)
        self._note(dialogue.STORY_REQUEST, spoken, dialogue.story_so_far())
        await self._listen(dialogue.INTERRUPTION, await self._ask(dialogue.INTERRUPTION))

    def understood(self) -> list[str]:
        """What the caller understands of the audio that it received, turn by turn. Blocks, about a second a call."""
        return [text for turn in self.turns for text in understand(self._caller.heard(turn.reaction), turn.possible)]

    def silenced_ms(self) -> int | None:
        """How long the agent was still to be heard after the caller began to interrupt; None if that never happened."""
        for turn in self.turns:
            if turn.said == dialogue.INTERRUPTION:
                for stretch in self._caller.ear.stretches(STOPPED_SECONDS):
                    if stretch.begin < turn.spoken.begin < stretch.end:
                        return round((stretch.end - turn.spoken.begin) * 1000)
        return None

    async def _ask(self, text: str) -> Stretch:
        """Say it, and again if nothing comes back, as anybody would; returns when the agent has begun to answer."""
        for patience in (REPEAT_SECONDS, REPEAT_SECONDS, ANSWER_SECONDS):
            self._on_said(text)
            spoken = await self._caller.say(speech(text))
            # Whoever was interrupted is still to be heard for a moment, and that is no answer yet.
            await self._caller.ear.silence(STOPPED_SECONDS, ANSWER_SECONDS)
            try:
                await self._caller.ear.sound(self._caller.clock.now(), patience)
            except NoAnswer:
                continue
            return spoken
        raise NoAnswer(what=f"an answer to {text!r}", seconds=ANSWER_SECONDS)

    async def _listen(self, said: str, spoken: Stretch) -> None:
        await self._caller.ear.silence(QUIET_SECONDS, ANSWER_SECONDS)
        self._note(said, spoken)

    def _note(self, said: str, spoken: Stretch, more: Sequence[str] = ()) -> None:
        reaction = Stretch(spoken.end, self._caller.clock.now())
        self.turns.append(Turn(said, spoken, reaction, (*self._possible, *more)))
