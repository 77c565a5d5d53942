"""The installation under test, and what tests ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
import sys
import tomllib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from livekit import api
from livekit.protocol import models

from ops.caller.caller import Caller, caller_token
from ops.stack import Stack, Worker
from tasks.rooms import DeadLetter, Room, RoomStore, State
from tests.support.waiting import until

ANSWER_SECONDS = 20.0
TIERS = "premium,standard,free,loaded,documented,thorough,short,capped,hasty"
"""Of the tenants in `tenants.toml` beside this file, and of those that tests declare."""

API_KEY = secrets.token_urlsafe()
"""Of the tenant acme, as NUMBER is."""
NUMBER = "+15551234567"
TWILIO_ACCOUNT = f"AC{1:032}"
TWILIO_TOKEN = secrets.token_urlsafe()
PUBLIC_URL = "https://calls.example.com"
FRONT_DOOR = {
    "SWITCHBOARD_API_KEYS": f"acme=sha256:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
    "SWITCHBOARD_TWILIO_AUTH_TOKENS": f"{TWILIO_ACCOUNT}={TWILIO_TOKEN}",
    "SWITCHBOARD_PUBLIC_URL": PUBLIC_URL,
    "SWITCHBOARD_SIP_URI": "sip:sip.example.com",
}
"""Settings of receivers that let a backend and Twilio in."""


class Installation:
    """A running stack and the rooms in its Redis. `console_port`: where its workers upload to; nothing is there."""

    def __init__(self, stack: Stack, rooms: RoomStore, console_port: int = 0) -> None:
        self.stack = stack
        self.rooms = rooms
        self.console_port = console_port

    @staticmethod
    def room_name(tenant: str) -> str:
        """A name that no other test uses."""
        return f"call-{tenant}-{uuid.uuid4().hex[:8]}"

    @asynccontextmanager
    async def call(self, tenant: str, *, room: str | None = None, identity: str = "caller") -> AsyncIterator[Caller]:
        """A caller in a new room of the tenant's."""
        name = room or self.room_name(tenant)
        livekit = self.stack.livekit
        token = caller_token(livekit.api_key, livekit.api_secret, room=name, identity=identity)
        async with Caller.call(livekit.url, token, low_cpu=True) as caller:
            yield caller

    @asynccontextmanager
    async def room_made_ahead(self, tenant: str) -> AsyncIterator[models.Room]:
        """A room that a backend has created for the tenant, before anybody joins."""
        livekit = self.stack.livekit
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            name, metadata = f"made-{uuid.uuid4().hex[:8]}", json.dumps({"tenant_id": tenant})
            yield await server.room.create_room(api.CreateRoomRequest(name=name, metadata=metadata))
            with contextlib.suppress(api.TwirpError):
                await server.room.delete_room(api.DeleteRoomRequest(room=name))

    async def switchboard(self, *arguments: str) -> tuple[int, str, str]:
        """The command, with the settings of a receiver: its exit status, and what it says on stdout and on stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**self.stack.receivers[0].env},
        )
        output, problem = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), problem.decode()

    @asynccontextmanager
    async def more_tenants(self, toml: str) -> AsyncIterator[None]:
        """With these tenants, too, as an operator applies them."""
        file = self.stack.directory / f"tenants-{uuid.uuid4().hex[:8]}.toml"
        file.write_text(toml)
        status, _, problem = await self.switchboard("tenants", "apply", str(file))
        assert status == 0, problem
        try:
            yield
        finally:
            for tenant in tomllib.loads(toml)["tenants"]:
                assert (await self.switchboard("tenants", "remove", tenant))[0] == 0

    async def reaches(self, sid: str, wanted: State | Callable[[Room], bool], seconds: float = ANSWER_SECONDS) -> Room:
        """The room, once it is in a state. Fails after so many seconds, with what the room is then."""
        room: Room | None = None

        async def reached() -> bool:
            nonlocal room
            room = await self.rooms.get(sid)
            return room is not None and (room.state is wanted if isinstance(wanted, State) else wanted(room))

        try:
            await until(reached, seconds)
        except TimeoutError:
            message = f"after {seconds} s the room is {room}, and the workers are {await self.rooms.list_workers()}"
            raise AssertionError(message) from None
        assert room is not None
        return room

    async def dead_letter(self, sid: str, seconds: float = ANSWER_SECONDS) -> DeadLetter:
        """The dead letter of a room, once it is there."""
        await self.reaches(sid, State.DEAD, seconds)
        return next(letter for letter in await self.rooms.list_dead_letters() if letter.sid == sid)

    async def idle_children(self, worker: str) -> int:
        """How many children of a worker have no call, as its last heartbeat says. The first beats before it has any."""
        node = self.stack.workers[worker].node

        async def statuses() -> list[int]:
            return [status.idle for status in await self.rooms.list_workers() if status.node == node]

        async def has_some() -> bool:
            return max(await statuses(), default=0) > 0

        await until(has_some)
        return (await statuses())[0]

    async def intake(self, worker: Worker, wanted: str) -> None:
        """Wait until a worker says that its intake is in this state."""

        async def told() -> bool:
            return wanted in [status.state for status in await self.rooms.list_workers() if status.node == worker.node]

        await until(told)

    async def delete_room(self, name: str) -> None:
        """End a room for everybody in it, as a backend does."""
        livekit = self.stack.livekit
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
            await server.room.delete_room(api.DeleteRoomRequest(room=name))

    async def all_calls_over(self, seconds: float = ANSWER_SECONDS) -> None:
        """Wait until no room is open. Fails after so many seconds, with the rooms that are."""
        rooms: list[Room] = []

        async def over() -> bool:
            nonlocal rooms
            rooms = await self.rooms.list_open()
            return not rooms

        try:
            await until(over, seconds)
        except TimeoutError:
            message = f"after {seconds} s these rooms are open: {rooms}"
            raise AssertionError(message) from None
