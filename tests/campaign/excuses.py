"""The times in which silence is excused: after a fault, and after an act of the agent itself.

Each fault has a time after which its promise holds again (`faults.BOUNDS`). A fault that begins before another one is
over may undo what has been mended, so together they get some seconds more.
"""

from __future__ import annotations

from collections.abc import Iterable

from ops.caller.recording import Interval
from tests.campaign.faults import BOUNDS
from tests.campaign.observations import Act, FaultSeen

TOGETHER_SECONDS = 4.0
HANG_SECONDS = 15.0
"""The time that an agent may block its event loop before it is replaced: the default of the setting."""
REPLACED_SECONDS = 5.0
LONGEST_BACKOFF_SECONDS = 8.0


class Excuses:
    """The excused times of one room. `slack`: by which all bounds are multiplied, for a machine with other work."""

    def __init__(self, faults: Iterable[FaultSeen], acts: Iterable[Act], *, slack: float = 1.0) -> None:
        self._slack = slack
        windows = [window for fault in faults if (window := self._after_fault(fault)) is not None]
        windows += [window for act in acts if (window := self._after_act(act)) is not None]
        self.windows = _merged(windows, TOGETHER_SECONDS * slack)

    def net(self, begin: float, end: float) -> float:
        """Return the seconds between two times that are not excused."""
        excused = sum(max(0.0, min(end, window.end) - max(begin, window.begin)) for window in self.windows)
        return max(0.0, end - begin - excused)

    def touches(self, begin: float, end: float) -> bool:
        """Return whether any excused time lies between two times."""
        return any(window.begin <= end and begin <= window.end for window in self.windows)

    def _after_fault(self, fault: FaultSeen) -> Interval | None:
        if fault.begin is None:
            return None
        bound = BOUNDS[fault.kind]
        until = fault.begin + bound.after_begin * self._slack
        if bound.after_end is not None:
            end = float("inf") if fault.end is None else fault.end
            until = max(until, end + bound.after_end * self._slack)
        return Interval(fault.begin, until)

    def _after_act(self, act: Act) -> Interval | None:
        replaced = REPLACED_SECONDS * self._slack
        if act.act == "block":
            return Interval(act.at, act.at + min(act.seconds, HANG_SECONDS) + replaced)
        if act.act == "raise":
            backoff = min(2.0 ** (act.attempt - 1), LONGEST_BACKOFF_SECONDS)
            return Interval(act.at, act.at + backoff + replaced)
        if act.act == "end":
            return Interval(act.at, float("inf"))
        return None


def _merged(windows: Iterable[Interval], together: float) -> list[Interval]:
    merged: list[Interval] = []
    for window in sorted(windows):
        if merged and window.begin < merged[-1].end:
            merged[-1] = Interval(merged[-1].begin, max(merged[-1].end, window.end) + together)
        else:
            merged.append(window)
    return merged
