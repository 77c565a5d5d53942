"""*Notices*: what tenants' backends were told of their calls, each try with its answer; resend and test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from ops.console.audit import Action
from ops.console.context import Visit, visit
from ops.console.errors import NotFound
from ops.console.rendering import choices
from ops.console.sign_in.operators import Role
from ops.console.tenant_list import list_tenants
from tasks.background.notices import Notice, NoticeState

SHOWN = 50
LONGEST_TEXT = 200
TEST_SECONDS, LOOK_SECONDS = 10.0, 0.2
"""The time for which the answer to a test is waited for, and between two looks."""

router = APIRouter(prefix="/notices")
Viewer = Annotated[Visit, Depends(visit())]
Acting = Annotated[Visit, Depends(visit(Role.OPERATE))]
Text = Annotated[str, Query(max_length=LONGEST_TEXT)]


@router.get("")
async def show(
    request: Request, viewer: Viewer, tenant: Text = "", state: Text = "", call: Text = "", before: Text = ""
) -> Response:
    """Show the backends, or the notices of one of them, the newest first."""
    store = viewer.console.notices
    names = _with_backend(await list_tenants(viewer.console.redis))
    found: list[Notice] = []
    if tenant:
        states = (NoticeState(state),) if state in set(NoticeState) else tuple(NoticeState)
        wanted = call.strip() or None
        found = await store.list_notices(tenant, limit=SHOWN + 1, before=before or None, states=states, sid=wanted)
    fields = {"tenant": tenant, "state": state, "call": call}
    more = len(found) > SHOWN
    older = urlencode({**fields, "before": found[SHOWN - 1].id}) if more else ""
    backends = await store.backends([name for name in names if tenant in {"", name}])
    # Those that are not told of their calls first.
    backends.sort(key=lambda each: (each.disabled is None, not each.failures))
    return viewer.page(
        request,
        "notices/page.html",
        backends=backends,
        notices=found[:SHOWN],
        fields=fields,
        older=older,
        states=list(NoticeState),
        tenants=choices([*names, tenant]),
    )


@router.get("/test")
async def ask_test(request: Request, operator: Acting, tenant: Text) -> Response:
    """Ask whether to send a test to a tenant's backend."""
    await _require_backend(operator, tenant)
    return operator.page(request, "notices/test.html", tenant=tenant)


@router.post("/test")
async def test(request: Request, operator: Acting, tenant: Annotated[str, Form(max_length=LONGEST_TEXT)]) -> Response:
    """Send a test to a tenant's backend, and show its answer if it comes soon."""
    await _require_backend(operator, tenant)
    store = operator.console.notices
    notice_id = await store.test(tenant)
    operator.note(request, Action.TESTED, notice_id, tenant=tenant)
    until = time.monotonic() + TEST_SECONDS
    notice = await store.get(notice_id)
    while (notice is None or not notice.attempts) and time.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        notice = await store.get(notice_id)
    back = f"/notices?{urlencode({'tenant': tenant})}"
    return operator.page(
        request, "done.html", heading=f"Test of the backend of {tenant}", message=_answer(notice), back=back
    )


@router.get("/{notice_id}")
async def show_one(request: Request, viewer: Viewer, notice_id: str) -> Response:
    """Show a notice with all its tries."""
    return viewer.page(request, "notices/notice.html", notice=await _find(viewer, notice_id))


@router.get("/{notice_id}/resend")
async def ask_resend(request: Request, operator: Acting, notice_id: str) -> Response:
    """Ask whether to send a notice again."""
    return operator.page(request, "notices/resend.html", notice=await _find(operator, notice_id))


@router.post("/{notice_id}/resend")
async def resend(request: Request, operator: Acting, notice_id: str) -> Response:
    """Send a notice again, or now if it waits."""
    notice = await _find(operator, notice_id)
    if not await operator.console.notices.resend(notice_id):
        raise NotFound(GONE)
    operator.note(request, Action.RESENT, notice_id, tenant=notice.tenant, detail=notice.type)
    back = f"/notices?{urlencode({'tenant': notice.tenant})}"
    message = "It is sent next, before the others of its call. Its answer will be in the list."
    return operator.page(request, "done.html", heading=notice.id, message=message, back=back)


GONE = "There is no such notice any more. Notices are kept for a week."


async def _find(viewer: Visit, notice_id: str) -> Notice:
    notice = await viewer.console.notices.get(notice_id)
    if notice is None:
        raise NotFound(GONE)
    return notice


async def _require_backend(operator: Visit, tenant: str) -> None:
    if tenant not in _with_backend(await list_tenants(operator.console.redis)):
        raise NotFound("There is no tenant of this name with a backend that is told of its calls.")


def _with_backend(tenants: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name, record in tenants.items() if record.get("notices")]


def _answer(notice: Notice | None) -> str:
    if notice is None or not notice.attempts:
        return f"No background worker has sent it within {TEST_SECONDS:g} s. Is one running? Its answer will be here."
    last = notice.attempts[-1]
    if last.problem:
        return f"It was not taken: {last.problem}, after {last.latency_ms} ms."
    return f"It was taken: {last.status} after {last.latency_ms} ms."
