"""An invitation to talk to a tenant's agent, for a person with a browser."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from ops.caller.caller import caller_token
from ops.demo.tenants import DemoTenant
from ops.stack import Stack

HOURS = 6.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """The URL and the token for a LiveKit client, and the console's page *Try a call*, if there is a console."""

    room: str
    url: str
    token: str
    link: str | None

    @classmethod
    def to(cls, stack: Stack, tenant: DemoTenant) -> Invitation:
        """Return an invitation into a new room of this tenant. The room is created when somebody joins it."""
        livekit, room = stack.livekit, tenant.new_room()
        token = caller_token(livekit.api_key, livekit.api_secret, room=room, identity="you", hours=HOURS)
        link = f"{stack.console.url}/try?{urlencode({'tenant': tenant.id})}" if stack.console else None
        return cls(room, livekit.url, token, link)

    def as_object(self) -> dict[str, str | None]:
        """Return the object that `--json` prints."""
        return asdict(self)
