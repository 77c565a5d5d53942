"""*Dead letters*: rooms that could not be answered, why, and their replay."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from ops.commands.dead_letters import DeadLetterError, find_letter, replay_letter, written_ms
from ops.console.audit import Action
from ops.console.context import Visit, visit
from ops.console.errors import ActionFailed, NotFound
from ops.console.sign_in.operators import Role
from tasks.errors import SwitchboardError
from tasks.rooms import DeadLetter

SHOWN = 200

router = APIRouter(prefix="/dead-letters")
Viewer = Annotated[Visit, Depends(visit())]
Acting = Annotated[Visit, Depends(visit(Role.OPERATE))]


@router.get("")
async def show(request: Request, viewer: Viewer) -> Response:
    """Show the newest dead letters."""
    letters = await viewer.console.rooms.list_dead_letters(SHOWN)
    return viewer.page(
        request, "dead_letters/page.html", letters=[(letter, written_ms(letter)) for letter in letters], most=SHOWN
    )


@router.get("/{letter_id}/replay")
async def ask_replay(request: Request, operator: Acting, letter_id: str) -> Response:
    """Ask whether to replay a dead letter."""
    return operator.page(request, "dead_letters/replay.html", letter=await _find(operator, letter_id))


@router.post("/{letter_id}/replay")
async def replay(request: Request, operator: Acting, letter_id: str) -> Response:
    """Queue the room of a dead letter again."""
    letter = await _find(operator, letter_id)
    try:
        result = await replay_letter(operator.console.settings, operator.console.dispatcher, letter)
    except (DeadLetterError, SwitchboardError) as error:
        raise ActionFailed(str(error)) from error
    operator.note(request, Action.REPLAYED, letter.sid, tenant=letter.tenant)
    message = f"The room is {result}."
    return operator.page(request, "done.html", heading=letter.name, message=message, back="/dead-letters")


async def _find(operator: Visit, letter_id: str) -> DeadLetter:
    try:
        return await find_letter(operator.console.rooms, letter_id)
    except DeadLetterError as error:
        raise NotFound(str(error)) from error
