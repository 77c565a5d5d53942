"""*Calls*: a search in the records of calls."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from ops.console.context import Visit, visit
from ops.console.rendering import choices
from ops.console.tenant_list import list_tenants
from tasks.records import CallFilter, InvalidCursor
from tasks.rooms import AttemptEnding, CallState

SHOWN = 50
LONGEST_TEXT = 200
ENDINGS = (AttemptEnding.LOST, AttemptEnding.HANDED_OVER)
"""Endings of attempts for which calls are searched, beside their states."""

router = APIRouter()
Text = Annotated[str, Query(max_length=LONGEST_TEXT)]


@router.get("/calls")
async def show(  # noqa: PLR0913, PLR0917 - a parameter for each field of the search
    request: Request,
    viewer: Annotated[Visit, Depends(visit())],
    tenant: Text = "",
    room: Text = "",
    number: Text = "",
    state: Text = "",
    since: Text = "",
    until: Text = "",
    cursor: Text = "",
) -> Response:
    """Show the calls that match, the newest first."""
    is_sid = room.strip().startswith("RM_")
    wanted = CallFilter(
        tenant=tenant or None,
        sid=room.strip() if is_sid else None,
        name=None if is_sid else room.strip() or None,
        number=number.strip() or None,
        since_ms=_midnight_ms(since),
        until_ms=_midnight_ms(until, days=1),
        state=CallState(state) if state in set(CallState) else None,
        # An attempt and a call may have ended alike: then it is the call's.
        ending=AttemptEnding(state) if state in ENDINGS else None,
    )
    store = viewer.console.records
    try:
        page = await store.list_calls(wanted, cursor=cursor or None, limit=SHOWN)
    except InvalidCursor:
        page = await store.list_calls(wanted, limit=SHOWN)
    fields = {"tenant": tenant, "room": room, "number": number, "state": state, "since": since, "until": until}
    older = urlencode({name: value for name, value in {**fields, "cursor": page.next_cursor}.items() if value})
    return viewer.page(
        request,
        "calls/page.html",
        calls=page.calls,
        fields=fields,
        older=older if page.next_cursor else "",
        first_page=not cursor,
        states=[*CallState, *ENDINGS],
        tenants=choices([*await list_tenants(viewer.console.redis), tenant]),
    )


def _midnight_ms(day: str, *, days: int = 0) -> int | None:
    """Return the begin of a day in UTC, unix ms; None for what is no day."""
    try:
        begin = datetime.combine(date.fromisoformat(day) + timedelta(days=days), datetime.min.time(), UTC)
    except (ValueError, OverflowError):
        return None
    return int(begin.timestamp() * 1000)
