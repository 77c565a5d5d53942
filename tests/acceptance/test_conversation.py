"""A call, heard by its caller: greeting, question and answer, interruption. All of it is measured in the audio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ops.caller.transcript import Speaker
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import (
    ADDRESS,
    QUIET_SECONDS,
    STORY,
    answered_rightly,
    silent_from,
    understood,
    utterance,
    words_from,
)

# The caller has to have spoken for this long (TurnOptions.min_interruption_seconds) to be heard as interrupting.
RECOGNISED_SECONDS = 0.3


async def test_the_caller_hears_the_right_answer_to_the_question(running: Installation) -> None:
    async with running.call("acme") as caller:
        await answered_rightly(caller)
        assert caller.transcript.texts(Speaker.CALLER) == ["what are your opening hours"]


async def test_an_interruption_silences_the_agent_and_is_answered(
    running: Installation, record_property: Callable[[str, object], None]
) -> None:
    async with running.call("acme") as caller:
        await caller.wait_for_answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=ANSWER_SECONDS)
        asked = await caller.say(utterance("tell me a long story"))
        await caller.listener.wait_for_sound(asked.end, ANSWER_SECONDS)
        # Into the middle of a story of half a minute.
        await asyncio.sleep(3)
        interruption = await caller.say(utterance("what is your address"))
        # The end of the story may be heard after it, and then nothing for as long as the answer takes.
        assert ADDRESS in await words_from(caller, interruption.end, ADDRESS)
        silent = silent_from(caller.listener.audible_intervals(0.4), interruption.begin)
        after_onset = silent - interruption.begin
        record_property("agent_silent_after_onset_ms", round(after_onset * 1000))
        assert after_onset - RECOGNISED_SECONDS <= 0.6

        heard = caller.listener.render(caller.clock.now())
        rate = caller.listener.rate
        assert STORY in await understood(heard[round(asked.end * rate) : round(silent * rate)])


async def test_the_conversation_of_one_call_is_unknown_in_the_next(running: Installation) -> None:
    for question, answers in (("my name is john", "Nice to meet you, john."), ("what is my name", "You have not told")):
        async with running.call("acme") as caller:
            await caller.wait_for_answer(0, quiet_seconds=QUIET_SECONDS, timeout_seconds=ANSWER_SECONDS)
            asked = await caller.say(utterance(question))
            await caller.wait_for_answer(asked.end, quiet_seconds=QUIET_SECONDS, timeout_seconds=ANSWER_SECONDS)
            said = caller.transcript.texts(Speaker.AGENT)
            assert answers.lower() in said[-1].lower()
