"""`switchboard demo`, as `make demo ARGS="--json --calls 3"` runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.speech import HOURS

STEPS = {"room_started", "received", "queued", "claimed", "joined", "first_audio", "first_sound"}


def test_three_callers_at_once_over_the_tiers_hear_the_right_answer(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.cli", "demo", "--json", "--calls", "3", "--directory", str(tmp_path)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert (ran.returncode, result["ok"]) == (0, True)
    calls = result["calls"]
    assert {call["tier"] for call in calls} == {"premium", "standard", "free"}
    for call in calls:
        assert call["queue"] == call["tier"]
        assert call["worker"].startswith(f"{call['tier']}@")
        assert "what are your opening hours" in call["agent_heard"]
        assert HOURS in call["caller_heard"]
        assert call["ms"].keys() >= STEPS
        assert Path(call["recording"]).stat().st_size > 0
    assert result["flower"]["url"].startswith("http://127.0.0.1:")
