"""The token that lets a caller into a room."""

from __future__ import annotations

from datetime import timedelta

from livekit import api


def caller_token(api_key: str, api_secret: str, *, room: str, identity: str, hours: float = 1.0) -> str:
    """A token to join `room` as `identity`, which makes the room when it is the first."""
    return (
        api.AccessToken(api_key, api_secret)
        .with_identity(identity)
        .with_name(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .with_ttl(timedelta(hours=hours))
        .to_jwt()
    )
