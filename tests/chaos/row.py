"""One row of the result: the runs of a scenario, held against its limits."""

from __future__ import annotations

import os
import statistics
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.installation_pool import House
from tests.chaos.network import NotPermitted
from tests.chaos.scenario import Chance, Outcome, Scenario


@dataclass(slots=True)
class Row:
    """What came of the runs. `broken`: runs that did not get to their end, and why. `skipped`: why there were none."""

    scenario: Scenario
    runs: int = 0
    sum: Outcome = field(default_factory=Outcome)
    broken: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def p50_s(self) -> float | None:
        """Half of the calls had an agent again after so many seconds."""
        return statistics.median(self.sum.backs) if self.sum.backs else None

    @property
    def max_s(self) -> float | None:
        """All of them had."""
        return max(self.sum.backs, default=None)

    @property
    def misses(self) -> list[str]:
        """What is not as it should be."""
        return self.failures + self.delays

    @property
    def failures(self) -> list[str]:
        """What no machine is slow enough to excuse."""
        misses = [*self.broken]
        if self.skipped and os.environ.get("CI"):
            misses.append(f"not run: {self.skipped}")
        if self.sum.lost:
            misses.append(f"{self.sum.lost} of {self.sum.calls} calls lost")
        if self.sum.doubled:
            misses.append(f"{self.sum.doubled} of {self.sum.calls} calls had two agents at once")
        return misses

    @property
    def delays(self) -> list[str]:
        """Agents that were back, and too late."""
        misses: list[str] = []
        # The median of so few is the luck of one.
        if self.p50_s is not None and len(self.sum.backs) > 2 and self.p50_s > self.scenario.p50_s:
            misses.append(f"back after {self.p50_s:.2f} s, p50, and not after {self.scenario.p50_s} s")
        if self.max_s is not None and self.max_s > self.scenario.max_s:
            misses.append(f"back after {self.max_s:.2f} s, and not after {self.scenario.max_s} s")
        return misses

    async def run(self, house: House, chance: Chance) -> None:
        """Run the scenario once more."""
        self.runs += 1
        try:
            stage = await house.stage(self.scenario.on)
            self.sum += await self.scenario.does(stage, chance)
        except NotPermitted as error:
            self.skipped = str(error)
        except Exception as error:  # noqa: BLE001 - one run that breaks must not hide what the others find
            self.broken.append(f"run {self.runs} broke off: {_where(error)}")
            await house.aclose()

    def as_json(self) -> dict[str, object]:
        """As `build/chaos.json` has it."""
        return {
            "scenario": self.scenario.name,
            "runs": self.runs,
            "calls": self.sum.calls,
            "lost": self.sum.lost,
            "doubled": self.sum.doubled,
            "back_p50_s": None if self.p50_s is None else round(self.p50_s, 2),
            "back_max_s": None if self.max_s is None else round(self.max_s, 2),
            "limit_p50_s": self.scenario.p50_s,
            "limit_max_s": self.scenario.max_s,
        }


def _where(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/chaos/" in frame.filename]
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {' '.join(str(error).split())[:600]}"


def missed(rows: Sequence[Row]) -> bool:
    """Whether any row is not as it should be."""
    return any(row.misses for row in rows)
