"""What came of a rehearsal, and whether that is good."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.autoscaling.callers import HeardCall
from tests.autoscaling.pods import Pod

LOST_SECONDS = 10.0
"""A caller who hears nobody for so long has lost its call. A killed host's is answered again after some 7 s."""


@dataclass(slots=True)
class Sample:
    """A moment. `wanted`: the pods that the autoscaler wants; `value`: the last answer to its query.

    `free`: the slots without a call, of pods that are up and do not drain.
    """

    at: float
    callers: int
    running: int
    queued: int
    wanted: int
    ready: int
    draining: int
    free: int
    value: float | None


@dataclass(slots=True)
class Wait:
    """A call's wait for a worker. `queued`, `claimed`: since the begin; `node`: the worker that took it."""

    sid: str
    attempt: int
    queued: float
    claimed: float
    node: str

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.claimed - self.queued


@dataclass(slots=True)
class Result:
    """A rehearsal. `outage`: the time in which the exporter was away, from and to."""

    seconds: float
    promise_seconds: float
    slots: int
    query: str
    outage: tuple[float, float]
    samples: list[Sample] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    calls: list[HeardCall] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)

    @property
    def first_waits(self) -> list[Wait]:
        """The waits of callers whom nobody has answered yet."""
        return [wait for wait in self.waits if wait.attempt == 1]

    def wait_with_a_pod(self, wait: Wait) -> float:
        """Return the seconds of a wait in which a pod that was up had a free slot for the call."""
        pairs = itertools.pairwise(self.samples)
        spans = ((sample, max(sample.at, wait.queued), min(after.at, wait.claimed)) for sample, after in pairs)
        return sum(max(0.0, end - begin) for sample, begin, end in spans if sample.free > 0)

    @property
    def lost(self) -> list[HeardCall]:
        """The calls whose callers heard nobody, at all, for long, or at the end."""
        return [call for call in self.calls if not call.cut_off and _lost(call)]

    @property
    def handed_over(self) -> list[HeardCall]:
        """The calls that had more than one attempt."""
        again = {wait.sid for wait in self.waits if wait.attempt > 1}
        return [call for call in self.calls if call.sid in again]

    def problems(self) -> list[str]:
        """Return what is not as it should be."""
        late = [wait for wait in self.first_waits if self.wait_with_a_pod(wait) > self.promise_seconds]
        unseen = {call.sid for call in self.calls} - {wait.sid for wait in self.first_waits}
        return [
            *(f"lost: {call.room} {call.error}" for call in self.lost),
            *(f"dead letter: {reason}" for reason in self.dead_letters),
            *(f"waited {self.wait_with_a_pod(wait):.1f} s with a pod up: {wait.sid}" for wait in late),
            *(f"never seen in a worker: {sid or 'a caller who could not join'}" for sid in unseen),
            *(f"killed after its grace: {pod.name}" for pod in self.pods if pod.killed),
        ]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` has written."""
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name, kind in {"samples": Sample, "waits": Wait, "calls": HeardCall, "pods": Pod}.items():
            fields[name] = [kind(**each) for each in fields[name]]
        return cls(**{**fields, "outage": tuple(fields["outage"])})


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that so large a share does not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def _lost(call: HeardCall) -> bool:
    if call.error or call.first_sound is None or call.last_sound is None or call.ended is None:
        return True
    return call.ended - call.last_sound > LOST_SECONDS or any(gap > LOST_SECONDS for gap in call.gaps)
