"""*Audit*: who did, saw or heard what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from ops.console.context import Visit, visit
from ops.console.sign_in.operators import Role

SHOWN = 200

router = APIRouter()


@router.get("/audit")
async def show(
    request: Request,
    operator: Annotated[Visit, Depends(visit(Role.OPERATE))],
    name: Annotated[str, Query(max_length=128)] = "",
    subject: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show the newest entries."""
    name, subject = name.strip(), subject.strip()
    entries = await operator.console.audit.newest(SHOWN, subject=subject, operator=name)
    return operator.page(request, "audit.html", entries=entries, name=name, subject=subject, most=SHOWN)
