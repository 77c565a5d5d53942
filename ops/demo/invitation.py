"""An invitation into a room for a person with a browser."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from ops.caller.caller import caller_token
from ops.demo.tenants import DemoTenant
from ops.stack import Stack

MEET = "https://meet.livekit.io/custom"
HOURS = 6.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """The URL and the token for a LiveKit client, and a link to LiveKit's meeting page that has both.

    The page runs in the browser and connects from there, so a loopback address is right for it.
    """

    room: str
    url: str
    token: str
    link: str

    @classmethod
    def to(cls, stack: Stack, tenant: DemoTenant) -> Invitation:
        """Return an invitation into a new room of this tenant. The room is created when somebody joins it."""
        livekit, room = stack.livekit, tenant.new_room()
        token = caller_token(livekit.api_key, livekit.api_secret, room=room, identity="you", hours=HOURS)
        link = f"{MEET}?{urlencode({'liveKitUrl': livekit.url, 'token': token})}"
        return cls(room, livekit.url, token, link)

    def as_object(self) -> dict[str, str]:
        """Return the object that `--json` prints."""
        return asdict(self)
