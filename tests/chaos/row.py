"""One row of the report: the runs of a scenario, compared with its limits."""

from __future__ import annotations

import os
import statistics
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.installation_pool import InstallationPool
from tests.chaos.network import NotPermitted
from tests.chaos.scenario import Outcome, Scenario, Variation


@dataclass(slots=True)
class Row:
    """The runs of a scenario. `errors`: of runs that failed to finish. `skipped`: why there were no runs."""

    scenario: Scenario
    runs: int = 0
    outcome: Outcome = field(default_factory=Outcome)
    errors: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def p50_s(self) -> float | None:
        """The median recovery, in seconds."""
        return statistics.median(self.outcome.recoveries) if self.outcome.recoveries else None

    @property
    def max_s(self) -> float | None:
        """The longest recovery, in seconds."""
        return max(self.outcome.recoveries, default=None)

    @property
    def misses(self) -> list[str]:
        """All failures and delays."""
        return self.failures + self.delays

    @property
    def failures(self) -> list[str]:
        """Failures that a slow machine does not excuse."""
        misses = [*self.errors]
        if self.skipped and os.environ.get("CI"):
            misses.append(f"not run: {self.skipped}")
        if self.outcome.lost:
            misses.append(f"{self.outcome.lost} of {self.outcome.calls} calls lost")
        if self.outcome.doubled:
            misses.append(f"{self.outcome.doubled} of {self.outcome.calls} calls had two agents at once")
        return misses

    @property
    def delays(self) -> list[str]:
        """Recoveries that took too long."""
        misses: list[str] = []
        # A median of two is the luck of one.
        if self.p50_s is not None and len(self.outcome.recoveries) > 2 and self.p50_s > self.scenario.p50_s:
            misses.append(f"recovery after {self.p50_s:.2f} s (p50); the limit is {self.scenario.p50_s} s")
        if self.max_s is not None and self.max_s > self.scenario.max_s:
            misses.append(f"recovery after {self.max_s:.2f} s (max); the limit is {self.scenario.max_s} s")
        return misses

    async def run(self, pool: InstallationPool, variation: Variation) -> None:
        """Run the scenario once more."""
        self.runs += 1
        try:
            installation = await pool.get(self.scenario.start)
            self.outcome += await self.scenario.run(installation, variation)
        except NotPermitted as error:
            self.skipped = str(error)
        except Exception as error:  # noqa: BLE001 - a run that fails must not hide the others
            self.errors.append(f"run {self.runs} failed: {_where(error)}")
            await pool.aclose()

    def as_json(self) -> dict[str, object]:
        """Return the row as `build/chaos.json` has it."""
        return {
            "scenario": self.scenario.name,
            "runs": self.runs,
            "calls": self.outcome.calls,
            "lost": self.outcome.lost,
            "doubled": self.outcome.doubled,
            "recovery_p50_s": None if self.p50_s is None else round(self.p50_s, 2),
            "recovery_max_s": None if self.max_s is None else round(self.max_s, 2),
            "limit_p50_s": self.scenario.p50_s,
            "limit_max_s": self.scenario.max_s,
        }


def _where(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/chaos/" in frame.filename]
    location = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{location}: {' '.join(str(error).split())[:600]}"


def missed(rows: Sequence[Row]) -> bool:
    """Return whether any row has failures or delays."""
    return any(row.misses for row in rows)
