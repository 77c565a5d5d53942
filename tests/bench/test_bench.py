"""The benchmark itself: both sides answer, and the rows have their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.stack import Binaries
from tests.bench.figures import calls
from tests.bench.pair import Pairs
from tests.bench.size import SMOKE


@pytest.mark.timeout(120)
async def test_both_sides_answer_two_calls(binaries: Binaries, tmp_path: Path) -> None:
    # A fixed load: the machine's own must not decide whether a call is taken.
    load = tmp_path / "load"
    load.write_text("0.1")
    pairs = Pairs(binaries, tmp_path, load)
    try:
        rows = {row.figure: row for row in await calls.measure(pairs, SMOKE)}
    finally:
        await pairs.aclose()
    answered_calls = rows["calls: answered, of 2"]
    assert (answered_calls.ours, answered_calls.builtin) == (2, 2)
    first_audio = rows["calls: first audio heard, p50"]
    joined = rows["calls: agent joined, p50"]
    assert first_audio.ours is not None
    assert joined.ours is not None
    assert 0 < joined.ours < first_audio.ours
    assert rows["step: claimed, p50"].ours is not None
