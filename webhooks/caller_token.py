"""The token with which a caller joins the room that was created for the call."""

from __future__ import annotations

from dataclasses import dataclass, field

import jwt


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Signs tokens with an API key of the LiveKit server."""

    key: str
    secret: str = field(repr=False)

    def sign(self, *, room: str, identity: str, name: str, valid_from: int, expires_at: int) -> str:
        """Return a token to join `room`, subscribe, speak and send data, and nothing else. Times are unix seconds.

        The same arguments give the same token, so it need not be stored for a request that is repeated.
        """
        claims = {
            "iss": self.key,
            "sub": identity,
            "name": name,
            "nbf": valid_from,
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
