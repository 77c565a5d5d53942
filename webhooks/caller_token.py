"""The token with which a caller joins the one room that was made for the call."""

from __future__ import annotations

from dataclasses import dataclass, field

import jwt


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Signs with an API key of the LiveKit server."""

    key: str
    secret: str = field(repr=False)

    def sign(self, *, room: str, identity: str, name: str, made_at: int, expires_at: int) -> str:
        """A token to join `room`, to hear, to speak and to send data; nothing else. Times are unix seconds.

        The same facts make the same token, so none has to be kept for a request that comes again.
        """
        claims = {
            "iss": self.key,
            "sub": identity,
            "name": name,
            "nbf": made_at,
            "exp": expires_at,
            "video": {
                "roomJoin": True,
                "room": room,
                "canSubscribe": True,
                "canPublish": True,
                "canPublishSources": ["microphone"],
                "canPublishData": True,
            },
        }
        return jwt.encode(claims, self.secret, algorithm="HS256")
