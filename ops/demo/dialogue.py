"""What a caller of the demo says, and what it may hear: the script of the local providers."""

from __future__ import annotations

from ops.caller.voice import beginnings
from pipeline.providers.local.script import default_script

QUESTION = "What are your opening hours?"
ANSWER_WORDS = ("nine", "morning", "five", "afternoon", "monday", "friday")
"""Together these are in the answer to QUESTION and in no other."""
STORY_REQUEST = "Tell me a long story."
INTERRUPTION = "Goodbye."


def answers() -> list[str]:
    """Everything that the agent may say after its greeting."""
    return default_script().answers


def story_so_far() -> list[str]:
    """What may be heard of the story until it is interrupted."""
    return beginnings(default_script().answer([STORY_REQUEST]))


def is_answer(heard: str) -> bool:
    """Whether this is the answer to QUESTION."""
    return set(ANSWER_WORDS) <= set(heard.split())
