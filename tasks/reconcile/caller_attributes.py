"""The attributes by which callers are notified: those of their own participants on the LiveKit server.

Attributes and not messages: a client that joins late or reconnects still gets them, and so does a backend that reads a
telephone's participant. The room's metadata is not used, because it belongs to the backend that created the room.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from livekit.protocol import models

from tasks.livekit_api import LiveKitClient, LiveKitRequestFailed, is_caller

PREFIX = "switchboard."
NAMES = ("state", "position", "wait_seconds", "overdue", "reason")

logger = logging.getLogger("switchboard.tasks.reconcile")


@dataclass(frozen=True, slots=True)
class Notified:
    """The callers of a room after a notification. `present`: one is there. `newly`: one has just been notified."""

    present: bool
    newly: bool


def complete(**attributes: str) -> dict[str, str]:
    """Return all of our attributes. LiveKit removes an attribute whose value is empty."""
    return {f"{PREFIX}{name}": str(attributes.get(name, "")) for name in NAMES}


async def set_attributes(livekit: LiveKitClient, room: str, attributes: Mapping[str, str]) -> Notified:
    """Set the attributes of each caller in the room that does not have them yet.

    Raises LiveKitUnreachable, and LiveKitRequestFailed if the participants are not listed. An error about one of them
    is logged, and must not keep the others from being notified.
    """
    callers = [each for each in await livekit.list_participants(room) if is_caller(each)]
    newly = False
    for caller in callers:
        if _differ(caller, attributes):
            try:
                await livekit.update_participant(room, caller.identity, attributes)
                newly = True
            except LiveKitRequestFailed as error:
                # Not found: the participant has left.
                if not error.not_found:
                    logger.warning("caller not notified", extra={"code": error.code})
    return Notified(present=bool(callers), newly=newly)


def _differ(participant: models.ParticipantInfo, attributes: Mapping[str, str]) -> bool:
    return any(participant.attributes.get(name, "") != value for name, value in attributes.items())
