"""A way into a room for a person with a browser."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from ops.caller.access import caller_token
from ops.demo.tenants import DemoTenant
from ops.stack import Stack

MEET = "https://meet.livekit.io/custom"
HOURS = 6.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """Everything that a LiveKit client asks for, and LiveKit's own meeting page with all of it filled in.

    The page runs in the browser and connects from there, so an address of this machine is right for it.
    """

    room: str
    url: str
    token: str
    link: str

    @classmethod
    def to(cls, stack: Stack, tenant: DemoTenant) -> Invitation:
        """Into a new room of this tenant, which comes to life when somebody joins it."""
        livekit, room = stack.livekit, tenant.new_room()
        token = caller_token(livekit.api_key, livekit.api_secret, room=room, identity="you", hours=HOURS)
        link = f"{MEET}?{urlencode({'liveKitUrl': livekit.url, 'token': token})}"
        return cls(room, livekit.url, token, link)

    def as_object(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)
