"""What a caller hears of a provider that fails: the rows of `python -m tests.faults` that are worth a call."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.acceptance.installation import Installation
from tests.faults.case import Case
from tests.faults.play import Seen, play
from tests.wire.server import Fault

PAUSE_SECONDS = 6.0
"""Until the answer of a fallback is heard: 2 s until it is asked, and its answer, on a busy machine."""


async def played(running: Installation, directory: Path, *cases: Case) -> list[Seen]:
    """The cases, at the same time."""
    return await asyncio.gather(*(play(running, case, directory) for case in cases))


async def test_an_outage_is_a_pause_when_there_is_a_fallback(running: Installation, tmp_path: Path) -> None:
    cases = (Case("stt", Fault.STALL, fallback=True), Case("llm", Fault.STALL, fallback=True))
    for seen in await played(running, tmp_path, *cases):
        assert (seen.first, seen.then) == (["greeting"], ["answer"]), seen
        assert seen.answered_s is not None
        assert seen.answered_s < PAUSE_SECONDS, seen
        assert (seen.state, seen.attempt) == ("ended", 1)
        assert seen.failures
        assert any(line.startswith("a provider failed") for line in seen.log)


async def test_a_voice_that_refuses_its_key_is_taken_over_by_another_and_the_operator_sees_it(
    running: Installation, tmp_path: Path
) -> None:
    (seen,) = await played(running, tmp_path, Case("tts", Fault.REFUSED, fallback=True))
    assert (seen.first, seen.then) == (["greeting"], ["answer"]), seen
    assert ("elevenlabs", "401") in {(each["provider"], each["error"]) for each in seen.failures}
    assert "a provider refused its key (elevenlabs, 401)" in seen.log


async def test_a_refused_key_is_said_to_the_caller_and_then_the_call_is_a_dead_letter(
    running: Installation, tmp_path: Path
) -> None:
    cases = (Case("stt", Fault.REFUSED, fallback=False), Case("llm", Fault.REFUSED, fallback=False))
    for seen in await played(running, tmp_path, *cases):
        assert "refused" in seen.first + seen.then, seen
        assert (seen.state, seen.attempt) == ("dead", 1)
        assert "refused the tenant's key" in seen.reason


async def test_a_failure_without_a_fallback_is_apologised_for_and_the_call_goes_on(
    running: Installation, tmp_path: Path
) -> None:
    (seen,) = await played(running, tmp_path, Case("llm", Fault.BUSY, fallback=False))
    assert (seen.first, seen.then, seen.state) == (["greeting"], ["trouble"], "ended"), seen
