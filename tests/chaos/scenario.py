"""What a row of the table is: what is done, and what may come of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ops.stack import Binaries
from tests.chaos.conversation import Talk
from tests.chaos.installation import Stage, one_host

Opener = Callable[[Binaries, Path], AbstractAsyncContextManager[Stage]]


@dataclass(slots=True)
class Outcome:
    """What came of a run. `backs`: seconds until an agent was back, of each call that lost one."""

    calls: int = 0
    lost: int = 0
    doubled: int = 0
    backs: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, talk: Talk, back: float | None, *, doubled_seconds: float = 0.0) -> None:
        """One call. `back` None: it was lost. So long may two agents be heard at once."""
        self.count(back)
        overlap = talk.doubled_seconds()
        if overlap > doubled_seconds:
            self.doubled += 1
            self.remarks.append(f"two agents were heard at once for {overlap:.2f} s")

    def count(self, back: float | None) -> None:
        """One call of which it is known when its agent was back, or that it was lost."""
        self.calls += 1
        if back is None:
            self.lost += 1
        else:
            self.backs.append(back)

    def __iadd__(self, other: Self) -> Self:
        self.calls += other.calls
        self.lost += other.lost
        self.doubled += other.doubled
        self.backs += other.backs
        self.remarks += other.remarks
        return self


@dataclass(frozen=True, slots=True)
class Chance:
    """What a run may vary. `brief`: the short form, which the tests run."""

    random: random.Random
    brief: bool

    def moment(self, seconds: float) -> float:
        """A random moment within so many seconds; in the short form within the first two of them."""
        return self.random.uniform(0, min(seconds, 2.0) if self.brief else seconds)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row. Limits in seconds. `does` strikes once and says what came of it."""

    name: str
    does: Callable[[Stage, Chance], Awaitable[Outcome]]
    p50_s: float
    max_s: float
    on: Opener = one_host


def total(outcomes: Iterable[Outcome]) -> Outcome:
    """Several runs as one."""
    whole = Outcome()
    for outcome in outcomes:
        whole += outcome
    return whole
