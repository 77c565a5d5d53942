"""Client of the LiveKit server API: rooms and their participants, each request with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api
from livekit.protocol import models
from livekit.protocol.agent_dispatch import AgentDispatch

from tasks.errors import SwitchboardError
from tasks.settings import LivekitSettings

T = TypeVar("T")

DEADLINE_SECONDS = 5.0
"""Default deadline of one request."""
NON_CALLER_KINDS = (models.ParticipantInfo.Kind.AGENT, models.ParticipantInfo.Kind.EGRESS)
"""Kinds of participants that are not callers: agents and recorders. `pipeline.presence` has the same ones."""


class LiveKitError(SwitchboardError):
    """A request to the LiveKit server failed."""


class LiveKitUnreachable(LiveKitError):
    """The LiveKit server at {url} does not answer: {cause}. Check LIVEKIT_URL and that the server is up."""

    retryable = True

    def __init__(self, *, url: str, cause: str) -> None:
        super().__init__(url=url, cause=cause)
        self.cause = cause


class LiveKitRequestFailed(LiveKitError):
    """The LiveKit server answers with the error {code}. Check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."""

    def __init__(self, *, code: str, status: int) -> None:
        super().__init__(code=code)
        self.code = code
        self.status = status

    @property
    def not_found(self) -> bool:
        """True if there is no such room or participant."""
        return self.code == api.TwirpErrorCode.NOT_FOUND

    @property
    def temporary(self) -> bool:
        """True if the same request may succeed later."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status == HTTPStatus.TOO_MANY_REQUESTS


class LiveKitClient:
    """Client of one LiveKit server, with one HTTP session. It is created inside an event loop.

    Each method raises LiveKitUnreachable if there is no answer within the deadline, and LiveKitRequestFailed if the
    answer is an error.
    """

    def __init__(self, url: str, key: str, secret: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        # failover retries in other regions of LiveKit Cloud, for longer than the deadline.
        self._api = api.LiveKitAPI(url, key, secret, failover=False)
        self._url = url
        self._deadline_seconds = deadline_seconds

    @classmethod
    def from_settings(cls, settings: LivekitSettings, *, deadline_seconds: float = DEADLINE_SECONDS) -> Self:
        """Return a client of this installation's LiveKit server."""
        secret = settings.api_secret.get_secret_value()
        return cls(settings.url, settings.api_key, secret, deadline_seconds=deadline_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the HTTP session."""
        await self._api.aclose()

    async def list_rooms(self, *names: str) -> list[models.Room]:
        """Return the rooms with these names, or all rooms."""
        return list((await self._answer(self._api.room.list_rooms(api.ListRoomsRequest(names=names)))).rooms)

    async def create_room(self, name: str, *, metadata: str, empty_seconds: int, departure_seconds: int) -> models.Room:
        """Create the room, or return the one that has this name already.

        It is closed when nobody has joined for `empty_seconds`, or `departure_seconds` after everybody has left.
        """
        request = api.CreateRoomRequest(
            name=name, metadata=metadata, empty_timeout=empty_seconds, departure_timeout=departure_seconds
        )
        return await self._answer(self._api.room.create_room(request))

    async def delete_room(self, name: str) -> None:
        """Close the room and disconnect everybody in it."""
        await self._answer(self._api.room.delete_room(api.DeleteRoomRequest(room=name)))

    async def list_participants(self, room: str) -> list[models.ParticipantInfo]:
        """Return the participants of the room with this name."""
        request = api.ListParticipantsRequest(room=room)
        return list((await self._answer(self._api.room.list_participants(request))).participants)

    async def list_callers(self, room: str) -> list[models.ParticipantInfo]:
        """Return the callers in the room with this name; none if it is gone. Raises LiveKitUnreachable."""
        try:
            return [participant for participant in await self.list_participants(room) if is_caller(participant)]
        except LiveKitRequestFailed:
            # The room is gone, or the next look will find out.
            return []

    async def list_dispatches(self, room: str) -> list[AgentDispatch]:
        """Return the explicit dispatches of the room with this name: those that name an agent."""
        listed = await self._answer(self._api.agent_dispatch.list_dispatch(room))
        return [dispatch for dispatch in listed if dispatch.agent_name]

    async def update_participant(self, room: str, identity: str, attributes: Mapping[str, str]) -> None:
        """Set attributes of a participant; an empty value removes the attribute."""
        request = api.UpdateParticipantRequest(room=room, identity=identity, attributes=attributes)
        await self._answer(self._api.room.update_participant(request))

    async def is_connected(self, room: str, identity: str) -> bool:
        """Ask the LiveKit node that has this participant, and return whether one has it.

        The lists of rooms and participants are what the nodes have written into a store, which may have lost some of
        it. A change of no subscriptions reaches the participant's own node and changes nothing there. If no node has
        the participant, the answer takes 3 s.
        """
        try:
            await self._answer(
                self._api.room.update_subscriptions(api.UpdateSubscriptionsRequest(room=room, identity=identity))
            )
        except LiveKitRequestFailed as error:
            if error.not_found or error.code == api.TwirpErrorCode.UNAVAILABLE:
                return False
            raise
        return True

    async def _answer(self, request: Awaitable[T]) -> T:
        try:
            # The session's own timeout has no effect: livekit-api passes None with each request, which overrides it.
            async with asyncio.timeout(self._deadline_seconds):
                return await request
        except api.TwirpError as error:
            raise LiveKitRequestFailed(code=error.code, status=error.status) from error
        # ValueError, DecodeError: something else than a LiveKit server answers, or a proxy in front of it.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, DecodeError) as error:
            raise LiveKitUnreachable(url=self._url, cause=type(error).__name__) from error


def is_caller(participant: models.ParticipantInfo) -> bool:
    """Return whether the participant is somebody to answer: a person, a telephone, an ingress, and any kind to come.

    Not an agent, a recorder, or a hidden participant, which the others in the room do not see.
    """
    permission = participant.permission
    return participant.kind not in NON_CALLER_KINDS and not permission.hidden and not permission.recorder


def created_at_ms(room: models.Room) -> int:
    """Return when the room was created, in unix ms by the LiveKit server's clock. Old servers know only seconds."""
    return room.creation_time_ms or room.creation_time * 1000
