"""The rooms that a viewer wants to see."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.rooms import OpenRoom


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """A filter: what is empty lets every room through. `text` is looked for in names, sids and workers."""

    tenant: str = ""
    tier: str = ""
    number: str = ""
    text: str = ""

    def matches(self, room: OpenRoom) -> bool:
        """Return whether the viewer wants to see this room."""
        if (self.tenant and room.tenant != self.tenant) or (self.tier and room.tier != self.tier):
            return False
        if self.number and self.number not in room.number:
            return False
        text = self.text.lower()
        return not text or any(text in each.lower() for each in (room.name, room.sid, room.worker))
