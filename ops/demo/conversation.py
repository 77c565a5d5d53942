"""The caller's side of one call: it waits for the greeting, asks, listens, interrupts, and says goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.caller.caller import Caller
from ops.caller.errors import NoAnswer
from ops.caller.recording import Interval
from ops.caller.voice import recognise, speech
from ops.demo import dialogue

GREETING_SECONDS = 20.0
"""Limit for an agent to join, and for its first word."""
REPEAT_SECONDS = 5.0
"""Time without an answer after which the caller repeats its sentence."""
ANSWER_SECONDS = 15.0
QUIET_SECONDS = 0.6
"""Silence that ends the agent's turn: longer than between two sentences."""
STORY_SECONDS = 1.5
"""Time that the caller listens to the story before it interrupts."""
STOPPED_SECONDS = 0.25
"""Silence that shows that the agent was interrupted."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A sentence of the caller, and the interval of the agent's reaction to it."""

    text: str
    spoken: Interval
    reaction: Interval
    possible: tuple[str, ...]
    """All texts that the agent could have spoken."""


class Conversation:
    """The conversation of a demo call. `turns` has the turns so far, also after an error."""

    def __init__(self, caller: Caller, greeting: str, on_sentence: Callable[[str], None]) -> None:
        self.turns: list[Turn] = []
        self._caller = caller
        self._possible = (greeting, *dialogue.answers())
        self._on_sentence = on_sentence

    async def hold(self) -> None:
        """Hold the conversation from the greeting to the goodbye. Raises NoAnswer or CallEnded."""
        caller = self._caller
        await caller.wait_for_agent(GREETING_SECONDS)
        await caller.listener.wait_for_sound(0.0, GREETING_SECONDS)
        await self._listen("", Interval(0.0, 0.0))
        await self._listen(dialogue.QUESTION, await self._ask(dialogue.QUESTION))
        spoken = await self._ask(dialogue.STORY_REQUEST)
        await asyncio.sleep(STORY_SECONDS)
        self._add_turn(dialogue.STORY_REQUEST, spoken, dialogue.story_so_far())
        await self._listen(dialogue.INTERRUPTION, await self._ask(dialogue.INTERRUPTION))

    def recognised(self) -> list[str]:
        """Recognise the audio that the caller received, turn by turn. Blocks for about a second a call."""
        return [text for turn in self.turns for text in recognise(self._caller.audio_of(turn.reaction), turn.possible)]

    def silenced_ms(self) -> int | None:
        """Return how long the interrupted agent went on speaking, from the caller's first sound on.

        None if the agent was not speaking when the caller interrupted.
        """
        for turn in self.turns:
            if turn.text == dialogue.INTERRUPTION:
                for interval in self._caller.listener.audible_intervals(STOPPED_SECONDS):
                    if interval.begin < turn.spoken.begin < interval.end:
                        return round((interval.end - turn.spoken.begin) * 1000)
        return None

    async def _ask(self, text: str) -> Interval:
        """Say the text, and repeat it if there is no answer. Return when the agent has begun to answer."""
        for limit in (REPEAT_SECONDS, REPEAT_SECONDS, ANSWER_SECONDS):
            self._on_sentence(text)
            spoken = await self._caller.say(speech(text))
            # An interrupted agent goes on speaking for a moment, which is no answer yet.
            await self._caller.listener.wait_for_silence(STOPPED_SECONDS, ANSWER_SECONDS)
            try:
                await self._caller.listener.wait_for_sound(self._caller.clock.now(), limit)
            except NoAnswer:
                continue
            return spoken
        raise NoAnswer(what=f"an answer to {text!r}", seconds=ANSWER_SECONDS)

    async def _listen(self, text: str, spoken: Interval) -> None:
        await self._caller.listener.wait_for_silence(QUIET_SECONDS, ANSWER_SECONDS)
        self._add_turn(text, spoken)

    def _add_turn(self, text: str, spoken: Interval, more: Sequence[str] = ()) -> None:
        reaction = Interval(spoken.end, self._caller.clock.now())
        self.turns.append(Turn(text, spoken, reaction, (*self._possible, *more)))
