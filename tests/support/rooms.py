"""Rooms in Redis, as a receiver opens them."""

from __future__ import annotations

from typing import Any

from tasks.rooms import OpenResult, RoomStore


async def open_some_room(
    rooms: RoomStore,
    sid: str = "RM_1",
    *,
    name: str | None = None,
    tenant: str = "acme",
    tier: str = "premium",
    queue: str | None = None,
    message: bytes | None = None,
    attempt: int = 1,
    **more: Any,
) -> OpenResult:
    """Open a room. What a test does not care for is made up; `more`: other arguments of `RoomStore.open`."""
    return await rooms.open(
        sid=sid,
        name=f"call-{tenant}-{sid}" if name is None else name,
        tenant=tenant,
        tier=tier,
        queue=tier if queue is None else queue,
        message=f"{sid} {attempt}".encode() if message is None else message,
        attempt=attempt,
        **{"started_at_ms": None, "received_at_ms": 1, **more},
    )
