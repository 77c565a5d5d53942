"""The dialogue of the demo: the caller's sentences, and the answers in the script of the local providers."""

from __future__ import annotations

from ops.caller.voice import beginnings
from pipeline.providers.local.script import default_script

QUESTION = "What are your opening hours?"
ANSWER_WORDS = ("nine", "morning", "five", "afternoon", "monday", "friday")
"""Words of the answer to QUESTION. No other answer has all of them."""
STORY_REQUEST = "Tell me a long story."
INTERRUPTION = "Goodbye."


def answers() -> list[str]:
    """Return all texts that the agent may speak after its greeting."""
    return default_script().answers


def story_so_far() -> list[str]:
    """Return all beginnings of the story's sentences: what is heard of it until it is interrupted."""
    return beginnings(default_script().answer([STORY_REQUEST]))


def is_answer(recognised: str) -> bool:
    """Return whether this is the answer to QUESTION."""
    return set(ANSWER_WORDS) <= set(recognised.split())
