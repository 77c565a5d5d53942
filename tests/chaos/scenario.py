"""Scenarios: a fault, and the limits of its outcome."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ops.stack import Binaries
from tests.chaos.conversation import ObservedCall
from tests.chaos.installation import ChaosInstallation, one_host

StartInstallation = Callable[[Binaries, Path], AbstractAsyncContextManager[ChaosInstallation]]


@dataclass(slots=True)
class Outcome:
    """The outcome of a run. `recoveries`: seconds until an agent was heard again, for each call that lost its agent."""

    calls: int = 0
    lost: int = 0
    doubled: int = 0
    recoveries: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, call: ObservedCall, recovery: float | None, *, allowed_overlap: float = 0.0) -> None:
        """Add a call. `recovery` None: it was lost. `allowed_overlap`: seconds in which two agents may be heard."""
        self.count(recovery)
        overlap = call.doubled_seconds()
        if overlap > allowed_overlap:
            self.doubled += 1
            self.remarks.append(f"two agents were heard at once for {overlap:.2f} s")

    def count(self, recovery: float | None) -> None:
        """Count a call by its recovery; None: it was lost."""
        self.calls += 1
        if recovery is None:
            self.lost += 1
        else:
            self.recoveries.append(recovery)

    def __iadd__(self, other: Self) -> Self:
        self.calls += other.calls
        self.lost += other.lost
        self.doubled += other.doubled
        self.recoveries += other.recoveries
        self.remarks += other.remarks
        return self


@dataclass(frozen=True, slots=True)
class Variation:
    """The variation of a run: its random times. `brief`: the short form, for tests."""

    random: random.Random
    brief: bool

    def delay(self, seconds: float) -> float:
        """Return a random delay up to `seconds`; in the short form up to two seconds."""
        return self.random.uniform(0, min(seconds, 2.0) if self.brief else seconds)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario, with its limits in seconds. `run` causes the fault once. `start` starts the installation it needs."""

    name: str
    run: Callable[[ChaosInstallation, Variation], Awaitable[Outcome]]
    p50_s: float
    max_s: float
    start: StartInstallation = one_host


def total(outcomes: Iterable[Outcome]) -> Outcome:
    """Sum the outcomes of several runs."""
    whole = Outcome()
    for outcome in outcomes:
        whole += outcome
    return whole
