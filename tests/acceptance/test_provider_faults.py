"""What a caller hears of a provider that fails: the rows of `make faults` that are worth a call each time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.acceptance.installation import Installation
from tests.provider_emulators.server import Fault
from tests.provider_faults.case import Case
from tests.provider_faults.scenario import run_case

PAUSE_SECONDS = 6.0
"""Until the answer of a fallback is heard: 2 s until it is asked, and its answer, on a busy machine."""

# A worker has two slots: a third call on the same tier would wait for one.
TIERS = ("premium", "premium", "standard")


async def test_an_outage_is_a_pause_when_there_is_a_fallback_and_the_operator_sees_it(
    running: Installation, tmp_path: Path
) -> None:
    cases = (
        Case("stt", Fault.STALL, fallback=True),
        Case("llm", Fault.STALL, fallback=True),
        Case("tts", Fault.REFUSED, fallback=True),
    )
    played = await asyncio.gather(
        *(run_case(running, case, tmp_path, tier=tier) for case, tier in zip(cases, TIERS, strict=True))
    )
    for seen in played:
        assert (seen.before_question, seen.after_question) == (["greeting"], ["answer"]), seen
        assert seen.answered_s is not None
        assert seen.answered_s < PAUSE_SECONDS, seen
        assert (seen.state, seen.attempt) == ("ended", 1)
        assert seen.failures
    _, _, voice = played
    assert ("elevenlabs", "401") in {(each["provider"], each["error"]) for each in voice.failures}
    assert "a provider refused its key (elevenlabs, 401)" in voice.log


async def test_without_a_fallback_the_caller_is_told_and_a_refused_key_is_a_dead_letter(
    running: Installation, tmp_path: Path
) -> None:
    cases = (
        Case("stt", Fault.REFUSED, fallback=False),
        Case("llm", Fault.REFUSED, fallback=False),
        # The reply is generated, and fails, before the turn ends; to apologise then would be cut off by the turn's end.
        Case("llm", Fault.BUSY, fallback=False, endpointing_seconds=2.0),
    )
    *refused, busy = await asyncio.gather(
        *(run_case(running, case, tmp_path, tier=tier) for case, tier in zip(cases, TIERS, strict=True))
    )
    for seen in refused:
        assert "refused" in seen.before_question + seen.after_question, seen
        assert (seen.state, seen.attempt) == ("dead", 1)
        assert "refused the tenant's key" in seen.reason
    assert (busy.before_question, busy.after_question, busy.state) == (["greeting"], ["trouble"], "ended"), busy
