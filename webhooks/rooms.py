"""Rooms on the LiveKit server: making one, and taking it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

import aiohttp
from livekit import api

from tasks.queue.dispatcher import RoomSeen
from tasks.settings import Settings
from webhooks.problems import LiveKitRefused, LiveKitUnavailable

T = TypeVar("T")

DEPARTURE_SECONDS = 20
"""How long a room stays when everybody has left: whoever has lost the network comes back into it."""


class Rooms:
    """One HTTP session for the whole process, made inside an event loop. Each call has the deadline of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._api = api.LiveKitAPI(
            settings.livekit_url,
            settings.livekit_api_key,
            settings.livekit_api_secret.get_secret_value(),
            failover=False,
        )
        self._seconds = settings.room_deadline_seconds

    async def create(self, name: str, *, metadata: str, wait_seconds: int) -> RoomSeen:
        """The room of this name, which is made unless it is there; without anybody in it, it stays for `wait_seconds`.

        Raises LiveKitUnavailable or LiveKitRefused.
        """
        room = await self._answered(
            self._api.room.create_room(
                api.CreateRoomRequest(
                    name=name, metadata=metadata, empty_timeout=wait_seconds, departure_timeout=DEPARTURE_SECONDS
                )
            )
        )
        return RoomSeen(room.sid, room.name, room.metadata, room.creation_time_ms or room.creation_time * 1000)

    async def delete(self, name: str) -> None:
        """Take the room back. Raises LiveKitUnavailable or LiveKitRefused."""
        await self._answered(self._api.room.delete_room(api.DeleteRoomRequest(room=name)))

    async def aclose(self) -> None:
        """Close the session."""
        await self._api.aclose()

    async def _answered(self, asking: Awaitable[T]) -> T:
        try:
            # The session's own timeout would not count: the client passes None with each request, which overrides it.
            async with asyncio.timeout(self._seconds):
                return await asking
        except api.TwirpError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status == HTTPStatus.TOO_MANY_REQUESTS:
                raise LiveKitUnavailable(error=error.code) from error
            raise LiveKitRefused(error=error.code) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LiveKitUnavailable(error=type(error).__name__) from error
