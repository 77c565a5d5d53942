"""Who has a place, who waits and who runs, again and again: a time series out of Redis."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tasks.rooms import RoomStore, State, keys

SAMPLE_SECONDS = 0.03
COLUMN_SECONDS = 0.5


@dataclass
class Series:
    """`samples`: (seconds since the begin, (tenant, state) -> how many rooms), each taken in one step of Redis.

    `queued`, `claimed`: sid -> seconds at which its first attempt entered the queue, and at which it was claimed.
    """

    rooms: Mapping[str, str]
    began: float = field(default_factory=time.time)
    samples: list[tuple[float, Counter[tuple[str, str]]]] = field(default_factory=list)
    queued: dict[str, float] = field(default_factory=dict)
    claimed: dict[str, float] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def of(cls, store: RoomStore, rooms: Mapping[str, str]) -> AsyncIterator[Self]:
        """Of these rooms, sid -> tenant; those that are added meanwhile, too."""
        series = cls(rooms)
        sampling = asyncio.create_task(series._sample_for_ever(store))
        try:
            yield series
        finally:
            sampling.cancel()
            await asyncio.wait({sampling})

    def note(self, event: str) -> None:
        """Something happens now."""
        self.events.append((time.time() - self.began, event))

    def most(self, tenant: str, *states: State) -> int:
        """How many rooms of the tenant were in these states at once, at most."""
        return max(sum(counts[tenant, state] for state in states) for _, counts in self.samples)

    def write(self, folder: Path) -> str:
        """`caps.json` and `caps.txt`, into the folder. Returns the chart."""
        folder.mkdir(exist_ok=True)
        samples = [
            {
                "seconds": round(at, 3),
                "rooms": {f"{tenant} {state}": number for (tenant, state), number in counts.items()},
            }
            for at, counts in self.samples
        ]
        content = {
            "samples": samples,
            "queued_seconds": self.queued,
            "claimed_seconds": self.claimed,
            "events": self.events,
        }
        (folder / "caps.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        chart = self.chart()
        (folder / "caps.txt").write_text(chart, encoding="utf-8")
        return chart

    def chart(self) -> str:
        """A row for each tenant and state, a digit for the most rooms in each half second."""
        end = self.samples[-1][0]
        columns = int(end / COLUMN_SECONDS) + 1
        lines = [f"most rooms at once, each column {COLUMN_SECONDS:g} s, {end:.1f} s in all"]
        for tenant in dict.fromkeys(self.rooms.values()):
            for state in (State.WAITING, State.QUEUED, State.RUNNING):
                most = [0] * columns
                for at, counts in self.samples:
                    column = int(at / COLUMN_SECONDS)
                    most[column] = max(most[column], counts[tenant, state])
                lines.append(f"{tenant:<8}{state:<9}" + "".join("." if not n else f"{n:x}" for n in most))
        lines += [f"{at:6.1f} s  {event}" for at, event in self.events]
        return "\n".join(lines) + "\n"

    async def _sample_for_ever(self, store: RoomStore) -> None:
        while True:
            await self._sample(store)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _sample(self, store: RoomStore) -> None:
        sids = list(self.rooms)
        async with store.redis.pipeline(transaction=True) as pipe:
            for sid in sids:
                pipe.hmget(keys.room(sid), ["state", "attempt", "at:queued", "at:claimed"])
            found = await pipe.execute()
        counts: Counter[tuple[str, str]] = Counter()
        for sid, (state, attempt, queued, claimed) in zip(sids, found, strict=True):
            if state:
                counts[self.rooms[sid], state] += 1
            for moments, reached in ((self.queued, queued), (self.claimed, claimed)):
                if attempt == "1" and reached:
                    moments.setdefault(sid, int(reached) / 1000 - self.began)
        self.samples.append((time.time() - self.began, counts))
