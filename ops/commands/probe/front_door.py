"""The front door of an installation: it gives a call a room. It is one of two, as a backend has them.

A receiver's `POST /calls`, with an API key; or the LiveKit server, on which a backend creates a room that names the
tenant in its metadata, and which announces it by a webhook.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp

from ops.caller.caller import caller_token
from ops.commands.probe.result import ProbeFailed
from tasks.livekit_api import LiveKitClient, LiveKitError
from tasks.queue.routing import new_room_name
from tasks.settings import LivekitSettings

IDENTITY = "switchboard-probe"
METADATA = {"probe": True}
"""What the room's metadata says to an agent that wants to know."""
JOIN_SECONDS = 60
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """A room to join, with a token."""

    url: str
    room: str
    sid: str
    token: str = field(repr=False)


class FrontDoor(Protocol):
    """A way to a room."""

    async def open(self, tenant: str) -> Invitation:
        """Return a new room for a call of the tenant. Raises ProbeFailed."""
        ...


class LiveKitDoor:
    """The LiveKit server, with its API key."""

    def __init__(self, settings: LivekitSettings, livekit: LiveKitClient) -> None:
        self._settings = settings
        self._livekit = livekit

    async def open(self, tenant: str) -> Invitation:
        """See `FrontDoor`."""
        metadata = json.dumps({**METADATA, "tenant_id": tenant})
        try:
            room = await self._livekit.create_room(
                new_room_name(tenant), metadata=metadata, empty_seconds=JOIN_SECONDS, departure_seconds=1
            )
        except LiveKitError as error:
            raise ProbeFailed(str(error)) from None
        settings = self._settings
        token = caller_token(
            settings.api_key, settings.api_secret.get_secret_value(), room=room.name, identity=IDENTITY
        )
        return Invitation(settings.public_url or settings.url, room.name, room.sid, token)


class ReceiverDoor:
    """`POST /calls` of the receivers."""

    def __init__(self, url: str, api_key: str, http: aiohttp.ClientSession) -> None:
        self._url = f"{url.rstrip('/').removesuffix('/calls')}/calls"
        self._api_key = api_key
        self._http = http

    async def open(self, tenant: str) -> Invitation:
        """See `FrontDoor`."""
        identity = f"{IDENTITY}-{secrets.token_hex(4)}"
        request = {"tenant_id": tenant, "identity": identity, "metadata": METADATA, "token_ttl_seconds": JOIN_SECONDS}
        try:
            async with self._http.post(
                self._url,
                json=request,
                headers={"Authorization": f"Bearer {self._api_key}"},
                timeout=aiohttp.ClientTimeout(total=SECONDS),
                allow_redirects=False,
            ) as response:
                status, answer = response.status, json.loads(await response.read() or b"null")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ProbeFailed(f"POST {self._url} has no usable answer ({type(error).__name__})") from None
        if status != HTTPStatus.CREATED:
            raise ProbeFailed(f"POST {self._url} is refused ({status}): {_reason(answer)}")
        try:
            return Invitation(answer["url"], answer["room"], answer["sid"], answer["token"])
        except (KeyError, TypeError):
            raise ProbeFailed(f"POST {self._url} answers with something else than a call") from None


def _reason(answer: Any) -> str:
    fields = answer if isinstance(answer, dict) else {}
    return f"{fields.get('code', 'no code')}, {fields.get('detail', 'no detail')}"
