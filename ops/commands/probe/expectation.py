"""The words that an agent has to say, found in the audio that the caller has received, or in the agent's transcription.

The offline recogniser finds whole sentences of clear speech. Where it does not, as with words in the middle of an
answer that a model makes up, what the agent says that it has said counts: it was heard to say something then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ops.caller.caller import Caller
from ops.caller.recording import Interval
from ops.caller.transcript import Speaker
from ops.caller.voice import recognise
from pipeline.providers.local.errors import UnknownWord
from pipeline.providers.local.phrases import normalise
from pipeline.providers.local.script import spoken_sentences

AUDIO, TRANSCRIPTION = "audio", "transcription"
TRANSCRIPTION_SECONDS = 2.0
"""The time that a transcription may come after its audio."""
POLL_SECONDS = 0.1


async def find(caller: Caller, answer: Interval, expected: Sequence[str]) -> str | None:
    """Return where one of the expected texts was found in an answer: AUDIO, TRANSCRIPTION, or None."""
    recognised = await asyncio.to_thread(_recognise, caller, answer, expected)
    if any(sentence in heard for sentence in spoken_sentences(expected) for heard in recognised):
        return AUDIO
    wanted = [normalise(text) for text in expected]
    for _ in range(round(TRANSCRIPTION_SECONDS / POLL_SECONDS)):
        said = normalise(" ".join(said_since(caller, answer.begin)))
        if any(f" {words} " in f" {said} " for words in wanted):
            return TRANSCRIPTION
        await asyncio.sleep(POLL_SECONDS)
    return None


def said_since(caller: Caller, seconds: float) -> list[str]:
    """Return what the agent says that it has said since then, in seconds since the call began."""
    lines = caller.transcript.lines
    return [line.text for line in lines if line.speaker is Speaker.AGENT and line.seconds >= seconds]


def _recognise(caller: Caller, answer: Interval, expected: Sequence[str]) -> list[str]:
    try:
        return recognise(caller.audio_of(answer), expected)
    except UnknownWord:
        return []
