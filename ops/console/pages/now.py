"""The page *Now*, its changes, a room's panel, and the actions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from ops.commands.calls.why import CAUSES, LIMITS, MOST_NAMED
from ops.commands.drain import request_drain
from ops.commands.ps import format_age
from ops.console.audit import Action
from ops.console.context import Visit, visit
from ops.console.errors import ActionFailed, NotFound
from ops.console.now import stream
from ops.console.now.room_filter import RoomFilter
from ops.console.rendering import choices
from ops.console.sign_in.operators import Role
from tasks.rooms import CallOperations, EndRequestResult, Intake, Room, State
from tasks.rooms.explanation import Explanation, explain
from tasks.settings.process import now_ms

LONGEST_TEXT = 200
UNANSWERED = frozenset({State.WAITING, State.QUEUED})

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
        now_ms=now_ms(),
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
    """Show a room: its state, why it waits, its steps so far."""
    room = await _room(viewer, sid)
    explanation = await explain(viewer.console.redis, room) if room.state in UNANSWERED else None
    steps = list(room.steps_ms.values())
    return viewer.page(
        request,
        "now/room.html",
        room=room,
        why=explanation,
        causes=CAUSES,
        limits=LIMITS,
        holders=await _holders(viewer, explanation),
        first_ms=steps[0] if steps else 0,
        trace_url=viewer.console.trace_url(room.trace),
    )


@router.get("/now/rooms/{sid}/end")
async def ask_end(request: Request, operator: Acting, sid: str) -> Response:
    """Ask whether to end a call."""
    return operator.page(request, "now/end.html", room=await _room(operator, sid))


@router.post("/now/rooms/{sid}/end")
async def end(request: Request, operator: Acting, sid: str) -> Response:
    """End a call."""
    room = await _room(operator, sid)
    if await CallOperations(operator.console.redis).end(sid) in {EndRequestResult.OVER, EndRequestResult.UNKNOWN}:
        raise ActionFailed(f"{room.name} is over already.")
    operator.note(request, Action.ENDED, sid, tenant=room.tenant)
    message = "It ends within a few seconds, and its callers are told."
    return operator.page(request, "done.html", heading=room.name, message=message, back="/")


@router.get("/now/rooms/{sid}/move")
async def ask_move(request: Request, operator: Acting, sid: str) -> Response:
    """Ask whether to hand a call over to another worker."""
    room = await _room(operator, sid)
    workers = await operator.console.rooms.list_workers()
    ready = [
        worker
        for worker in workers
        if room.queue in worker.queues and worker.node != room.worker and worker.state == Intake.OPEN and worker.idle
    ]
    return operator.page(request, "now/move.html", room=room, ready=ready)


@router.post("/now/rooms/{sid}/move")
async def move(request: Request, operator: Acting, sid: str) -> Response:
    """Hand a call over to another worker."""
    room = await _room(operator, sid)
    moves = room.state is State.RUNNING and await CallOperations(operator.console.redis).move(sid, room.attempt)
    if not moves:
        raise ActionFailed(f"{room.name} does not run, or is about to end.")
    operator.note(request, Action.MOVED, sid, tenant=room.tenant, detail=f"from {room.worker}")
    message = "It is handed over between two turns, within a few seconds."
    return operator.page(request, "done.html", heading=room.name, message=message, back="/")


async def _room(viewer: Visit, sid: str) -> Room:
    room = await viewer.console.rooms.get(sid)
    if room is None:
        raise NotFound("Redis does not know this room any more. Its record may be among the calls.")
    return room


async def _holders(viewer: Visit, explanation: Explanation | None) -> dict[str, str]:
    """Return the names of the rooms that hold the permits which are wanted, by their sids."""
    full = [limit for limit in explanation.limits if limit.is_full] if explanation else []
    sids = dict.fromkeys(sid for limit in full for sid in limit.holders[:MOST_NAMED])
    rooms = [await viewer.console.rooms.get(sid) for sid in sids]
    return {room.sid: room.name for room in rooms if room is not None}


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
