"""POST /calls/{sid}/erasure: a backend asks to erase what is kept of a call.

A receiver has no recordings. It writes the request down in Redis, and the console erases the call, in seconds.
"""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from tasks.rooms.erasures import ErasureRequest
from tasks.tenants.api_keys import Scope
from webhooks import problems
from webhooks.api import REFUSALS, UNKNOWN, ApiRoute, CallId, admit, find_call
from webhooks.api_schemas import CallErasure
from webhooks.authentication import Backend, requires

logger = logging.getLogger("switchboard.webhooks")

router = APIRouter(route_class=ApiRoute)


@router.post(
    "/calls/{sid}/erasure",
    operation_id="eraseCall",
    status_code=202,
    response_model=CallErasure,
    response_description="The call is erased within seconds, or is erased already.",
    responses=problems.documented(REFUSALS | UNKNOWN | {409: "The call goes on, or its record is not written yet."}),
)
async def erase_call(
    request: Request, backend: Annotated[Backend, requires(Scope.CALLS_ERASE)], sid: CallId
) -> JSONResponse:
    """Erase what was said in a call and who has called: audio, transcript, traces, log lines, number, room's name.

    The bare record stays, with its times and its usage. `erased_at` of the call says when it was done. Nothing of it
    can be brought back.
    """
    endpoint = admit(request, backend)
    found = await find_call(endpoint, backend.key, sid)
    if found.record is None or found.record.call.state is None or (found.room is not None and found.room.state.is_open):
        raise problems.CallOpen
    erased = found.record.call.erased_ms is not None
    # Also if it is erased: a recording may have been left by a console that was killed meanwhile.
    await endpoint.redis(endpoint.erasures.add(ErasureRequest(found.tenant, sid, backend.key.id)))
    logger.info("erasure of a call requested", extra={"sid": sid, "api_key": backend.key.id})
    body = CallErasure(sid=sid, state="erased" if erased else "requested")
    return JSONResponse(body.model_dump(mode="json"), 202, {"Cache-Control": "no-store"})
