"""*Try a call*: an operator talks to a tenant's agent in the browser, sees what it hears, and how fast it answers."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import JSONResponse

from ops.console.audit import Action
from ops.console.context import Visit, visit
from ops.console.errors import ActionFailed, NotFound
from ops.console.sign_in.operators import Role
from ops.console.tenant_list import list_tenants
from tasks.errors import SwitchboardError
from tasks.settings.process import now_ms
from webhooks.caller_token import TokenSigner

WAIT_SECONDS = 60
"""The time that the room waits for the operator's browser."""

router = APIRouter(prefix="/try")
Acting = Annotated[Visit, Depends(visit(Role.OPERATE))]


@router.get("")
async def show(request: Request, operator: Acting, tenant: Annotated[str, Query(max_length=128)] = "") -> Response:
    """Show the page."""
    tenants = await list_tenants(operator.console.redis)
    return operator.page(request, "trial/page.html", tenants=list(tenants), chosen=tenant)


@router.post("")
async def create(request: Request, operator: Acting, tenant: Annotated[str, Form(max_length=128)]) -> Response:
    """Create a call as `POST /calls` does, and return what the browser needs to join it."""
    console = operator.console
    identity = f"operator-{re.sub(r'[^A-Za-z0-9_-]', '-', operator.operator.name)}"
    try:
        await console.dispatcher.tenant(tenant)
        call = await console.creator.create(tenant, {"trial_of": "console"}, wait_seconds=WAIT_SECONDS)
    except SwitchboardError as error:
        raise ActionFailed(str(error)) from error
    operator.note(request, Action.TRIED, call.sid, tenant=tenant)
    livekit = console.settings.livekit
    token = TokenSigner(livekit.api_key, livekit.api_secret.get_secret_value()).sign(
        room=call.room,
        identity=identity,
        name=operator.operator.name,
        valid_from=call.requested_at,
        expires_at=call.requested_at + WAIT_SECONDS,
    )
    return JSONResponse(
        {
            "url": livekit.public_url or livekit.url,
            "token": token,
            "room": call.room,
            "sid": call.sid,
            "identity": identity,
        }
    )


@router.get("/{sid}")
async def follow(operator: Acting, sid: str) -> Response:
    """Return the state of the room and the times of its steps, while its agent is on its way."""
    room = await operator.console.rooms.get(sid)
    if room is None:
        raise NotFound("Redis does not know this room any more.")
    first = next(iter(room.steps_ms.values()), 0)
    steps = {step: ms - first for step, ms in room.steps_ms.items()}
    return JSONResponse(
        {
            "state": room.state,
            "worker": room.worker,
            "reason": room.reason,
            "attempt": room.attempt,
            "steps": steps,
            "age_ms": now_ms() - first,
        }
    )
