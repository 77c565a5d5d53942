from __future__ import annotations

from pathlib import Path

from tasks.call.scoreboard import MemoryLimits, Scoreboard


def test_late_renewals_are_counted_over_all_children_and_their_successors(tmp_path: Path) -> None:
    scoreboard = Scoreboard(tmp_path / "scoreboard")
    one, other = scoreboard.row(0), scoreboard.row(1023)
    one.count_late_renewal()
    one.memory_limits = MemoryLimits(1.0, 2.0)
    one.request_hand_over()
    other.count_late_renewal()
    other.count_late_renewal()
    assert (one.late_renewals, other.late_renewals, scoreboard.late_renewals) == (1, 2, 3)
    assert one.memory_limits == MemoryLimits(1.0, 2.0)

    # The next child in the row begins with its own limits, and the worker's counter does not fall.
    one.clear()
    assert one.memory_limits == MemoryLimits()
    assert scoreboard.late_renewals == 3
