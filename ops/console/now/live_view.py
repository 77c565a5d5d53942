"""One snapshot of rooms and workers a second for all viewers, and the changes between one and the next."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from redis.exceptions import RedisError

from tasks.rooms import OpenRoom, State, WorkerStatus

SECONDS = 1.0
KEPT = 60
"""Changes that are kept for viewers whose connection broke: those of a minute."""
MOST_ROWS = 1000
"""Rooms that are shown at once; the filter finds the others."""

logger = logging.getLogger("switchboard.console")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rooms, by sid, the oldest first, and the workers. `problem`: why they could not be read, or ""."""

    rooms: Mapping[str, OpenRoom] = field(default_factory=lambda: MappingProxyType({}))
    workers: tuple[WorkerStatus, ...] = ()
    problem: str = ""

    def count(self, *states: State) -> int:
        """Return how many rooms are in one of these states."""
        return sum(room.state in states for room in self.rooms.values())


@dataclass(frozen=True, slots=True)
class Row:
    """A room as the page shows it."""

    room: OpenRoom
    html: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The news of one version of the view. `gone`: sids. `parts`: element's id -> its new content."""

    version: int
    rows: tuple[Row, ...]
    gone: tuple[str, ...]
    parts: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone or self.parts)


Read = Callable[[], Awaitable[Snapshot]]
RenderRow = Callable[[OpenRoom], str]
RenderParts = Callable[[Snapshot], Mapping[str, str]]


class LiveView:
    """The view that all viewers share. `read` raises RedisError or OSError when Redis is away."""

    def __init__(
        self, read: Read, render_row: RenderRow, render_parts: RenderParts, *, seconds: float = SECONDS
    ) -> None:
        self._read = read
        self._render_row = render_row
        self._render_parts = render_parts
        self._seconds = seconds
        self.epoch = secrets.token_hex(4)
        self.version = 0
        self.over = False
        self.snapshot = Snapshot()
        self.rows: dict[str, Row] = {}
        self.parts: dict[str, str] = {}
        self._read_at = float("-inf")
        self._kept: deque[Changes] = deque(maxlen=KEPT)
        self._changed = asyncio.Condition()
        self._reading = asyncio.Lock()
        self._viewers = 0
        self._ticking: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def refresh(self, *, older_than: float | None = None) -> None:
        """Read the snapshot again if it is older than so many seconds."""
        async with self._reading:
            if time.monotonic() - self._read_at < (self._seconds if older_than is None else older_than):
                return
            try:
                snapshot = await self._read()
            except (RedisError, OSError) as error:
                # What was last known stays on the page, with the reason why it does not change.
                problem = f"Redis cannot be reached ({type(error).__name__}). What is shown may have changed."
                snapshot = Snapshot(self.snapshot.rooms, self.snapshot.workers, problem)
            self._read_at = time.monotonic()
            await self._take(snapshot)

    async def wait(self, after: int) -> None:
        """Wait for a version later than this one, or until the view is over."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.over or self.version > after)

    def since(self, version: int) -> list[Changes] | None:
        """Return the changes after a version, or None if they are not kept any more."""
        if version == self.version:
            return []
        if not self._kept or version < self._kept[0].version - 1 or version > self.version:
            return None
        return [changes for changes in self._kept if changes.version > version]

    def join(self) -> None:
        """Begin to look: from now on the snapshot is read every second."""
        self._viewers += 1
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    def leave(self) -> None:
        """Look no more."""
        self._viewers -= 1
        if self._viewers == 0 and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def end(self) -> None:
        """Tell all viewers that the view is over."""
        self.over = True
        self._ending = asyncio.create_task(self._notify())

    async def aclose(self) -> None:
        """Stop reading."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking

    async def _tick(self) -> None:
        while True:
            begun = time.monotonic()
            try:
                await self.refresh(older_than=0)
            except Exception:
                # A room of a kind that was never thought of must not end the view for ever.
                logger.exception("view not refreshed")
            await asyncio.sleep(max(0.1, self._seconds - (time.monotonic() - begun)))

    async def _take(self, snapshot: Snapshot) -> None:
        rows = []
        for sid, room in snapshot.rooms.items():
            known = self.rows.get(sid)
            if known is None or known.room != room:
                self.rows[sid] = Row(room, self._render_row(room))
                rows.append(self.rows[sid])
        gone = tuple(sid for sid in self.rows if sid not in snapshot.rooms)
        for sid in gone:
            del self.rows[sid]
        self.snapshot = snapshot
        parts = self._render_parts(snapshot)
        changed = {name: html for name, html in parts.items() if self.parts.get(name) != html}
        self.parts = dict(parts)
        changes = Changes(self.version + 1, tuple(rows), gone, changed)
        if changes:
            self.version += 1
            self._kept.append(changes)
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
