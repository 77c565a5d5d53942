"""The changes of the live view as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from ops.console.now.live_view import MOST_ROWS, Changes, LiveView, Row
from ops.console.now.room_filter import RoomFilter

KEEP_ALIVE_SECONDS = 15.0
"""Silence after which a comment is sent: proxies close connections that are silent for a minute."""


async def events(view: LiveView, wanted: RoomFilter, last: str) -> AsyncIterator[str]:
    """Yield an event for each change that the viewer sees, until the view is over.

    `last`: the id of the last event, or of the page.
    """
    view.join()
    try:
        epoch, _, number = last.partition("-")
        version = int(number) if epoch == view.epoch and number.isdecimal() else -1
        while not view.over:
            kept = view.since(version)
            version = view.version
            content = _everything(view, wanted) if kept is None else _changes(kept, wanted)
            if content:
                yield f"id: {view.epoch}-{version}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n"
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    await view.wait(version)
            except TimeoutError:
                yield ": still here\n\n"
    finally:
        view.leave()


def shown(rows: Iterable[Row], wanted: RoomFilter) -> list[Row]:
    """Return the rows that a viewer sees, at most as many as a page can hold."""
    return [row for row in rows if wanted.matches(row.room)][:MOST_ROWS]


def _everything(view: LiveView, wanted: RoomFilter) -> dict[str, Any]:
    return {"all": True, "rows": _rows(shown(view.rows.values(), wanted)), "gone": [], "parts": view.parts}


def _changes(kept: Iterable[Changes], wanted: RoomFilter) -> dict[str, Any] | None:
    rows: dict[str, Row] = {}
    gone: dict[str, None] = {}
    parts: dict[str, str] = {}
    for changes in kept:
        for row in changes.rows:
            rows[row.room.sid] = row
            gone.pop(row.room.sid, None)
        for sid in changes.gone:
            rows.pop(sid, None)
            gone[sid] = None
        parts |= changes.parts
    visible = shown(rows.values(), wanted)
    if not visible and not gone and not parts:
        return None
    return {"rows": _rows(visible), "gone": list(gone), "parts": parts}


def _rows(rows: Iterable[Row]) -> list[list[str]]:
    return [["running" if row.room.state == "running" else "waiting", row.room.sid, row.html] for row in rows]
