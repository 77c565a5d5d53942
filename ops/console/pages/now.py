"""The page *Now*, its changes, a room's panel, and the actions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from ops.commands.drain import request_drain
from ops.commands.ps import format_age
from ops.console.audit import Action
from ops.console.context import Visit, visit
from ops.console.errors import ActionFailed, NotFound
from ops.console.now import stream
from ops.console.now.room_filter import RoomFilter
from ops.console.rendering import choices
from ops.console.sign_in.operators import Role

LONGEST_TEXT = 200

router = APIRouter()
Viewer = Annotated[Visit, Depends(visit())]
Acting = Annotated[Visit, Depends(visit(Role.OPERATE))]


def room_filter(
    tenant: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
    tier: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
    number: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
    text: Annotated[str, Query(max_length=LONGEST_TEXT)] = "",
) -> RoomFilter:
    """Return the filter of a request."""
    return RoomFilter(tenant, tier, number.strip(), text.strip())


Wanted = Annotated[RoomFilter, Depends(room_filter)]


@router.get("/")
async def show(request: Request, viewer: Viewer, wanted: Wanted) -> Response:
    """Show the calls, those who wait, and the workers."""
    view = viewer.console.live
    await view.refresh()
    rooms = view.snapshot.rooms.values()
    return viewer.page(
        request,
        "now/page.html",
        wanted=wanted,
        parts=view.parts,
        rows=stream.shown(view.rows.values(), wanted),
        stream=f"{view.epoch}-{view.version}",
        now_ms=time.time_ns() // 1_000_000,
        tenants=choices([*(room.tenant for room in rooms), wanted.tenant]),
        tiers=choices([*viewer.console.settings.tiers.names, wanted.tier]),
    )


@router.get("/now/changes")
async def changes(request: Request, viewer: Viewer, wanted: Wanted, last: str = "") -> Response:
    """Stream what changes, until the viewer goes away or the session is over."""
    sent = stream.events(viewer.console.live, wanted, request.headers.get("last-event-id") or last)
    return StreamingResponse(
        _until_signed_out(request, sent), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _until_signed_out(request: Request, events: AsyncIterator[str]) -> AsyncIterator[str]:
    signed_in = visit()
    checked_at = time.monotonic()
    async for event in events:
        if time.monotonic() - checked_at > stream.KEEP_ALIVE_SECONDS:
            await signed_in(request)
            checked_at = time.monotonic()
        yield event


@router.get("/now/rooms/{sid}")
async def show_room(request: Request, viewer: Viewer, sid: str) -> Response:
    """Show a room: its state, and its steps so far."""
    room = await viewer.console.rooms.get(sid)
    if room is None:
        raise NotFound("Redis does not know this room any more. Its record may be among the calls.")
    steps = list(room.steps_ms.values())
    return viewer.page(
        request,
        "now/room.html",
        room=room,
        first_ms=steps[0] if steps else 0,
        trace_url=viewer.console.trace_url(room.trace),
        message="",
    )


@router.get("/now/workers/{node}/drain")
async def ask_drain(request: Request, operator: Acting, node: str) -> Response:
    """Ask whether to drain a worker."""
    if node not in {worker.node for worker in await operator.console.rooms.list_workers()}:
        raise NotFound(f"No worker {node} reports.")
    seconds = format_age(int(operator.console.settings.worker.drain_seconds * 1000))
    return operator.page(request, "now/drain.html", node=node, seconds=seconds)


@router.post("/now/workers/{node}/drain")
async def drain(request: Request, operator: Acting, node: str, now: Annotated[str, Form()] = "") -> Response:
    """Drain a worker."""
    if not await asyncio.to_thread(request_drain, node, now=bool(now)):
        raise ActionFailed(f"No worker {node} answers. It may have stopped already.")
    operator.note(request, Action.DRAINED, node, detail="its calls at once" if now else "")
    return operator.page(
        request, "done.html", heading=f"{node} is draining", message="It takes no more calls.", back="/"
    )
