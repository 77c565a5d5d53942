"""One call of the demo, from the token to the result."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from livekit import rtc

from ops.caller.access import caller_token
from ops.caller.caller import Caller
from ops.caller.errors import CallError
from ops.caller.milestones import Moment
from ops.caller.transcript import Line, Speaker
from ops.demo import dialogue
from ops.demo.conversation import Conversation
from ops.demo.narrator import Narrator
from ops.demo.result import CallResult
from ops.demo.steps import follow, on_one_scale
from ops.demo.tenants import DemoTenant
from ops.stack import Stack
from tasks.rooms import Room, RoomStore, State

ENDED_SECONDS = 15.0
"""How long after the caller has left the room may be open."""


class DemoCall:
    """A call to one tenant: `talk`, then `understand` and `end` at the same time, then there is a `result`."""

    def __init__(self, tenant: DemoTenant, stack: Stack, rooms: RoomStore, narrator: Narrator) -> None:
        self.name = tenant.new_room()
        self.result = CallResult(room=self.name, tenant=tenant.id, tier=tenant.tier)
        self._tenant = tenant
        self._stack = stack
        self._rooms = rooms
        self._narrator = narrator
        self._caller: Caller | None = None
        self._conversation: Conversation | None = None
        self._following: asyncio.Task[Room] | None = None

    async def talk(self) -> None:
        """Join the room, hold the conversation, and leave."""
        livekit = self._stack.livekit
        token = caller_token(livekit.api_key, livekit.api_secret, room=self.name, identity="caller")
        try:
            async with Caller.call(livekit.url, token, on_moment=self._moment, on_line=self._line) as caller:
                self._caller = caller
                self._following = asyncio.create_task(follow(self._rooms, caller.room_sid, self._changed))
                await self._converse(caller)
        except rtc.ConnectError as error:
            self._fail(f"the caller could not connect: {error}")
            return
        self._narrator.call(self.name, "the caller has left")

    async def understand(self) -> None:
        """Recognise what the caller received, and judge it. Takes the processor for about a second."""
        if self._conversation is None:
            return
        heard = tuple(await asyncio.to_thread(self._conversation.understood))
        self._set(caller_heard=heard, silenced_ms=self._conversation.silenced_ms())
        if not any(dialogue.is_answer(text) for text in heard):
            words = ", ".join(dialogue.ANSWER_WORDS)
            self._fail(f"the caller did not hear the answer to {dialogue.QUESTION!r} ({words})")

    async def end(self) -> None:
        """Wait until the room is over, and take the times of its steps."""
        if self._following is None or self._caller is None:
            return
        try:
            async with asyncio.timeout(ENDED_SECONDS):
                room = await self._following
        except TimeoutError:
            self._fail(f"the room was still open {ENDED_SECONDS:.0f} s after the caller had left")
            return
        times = on_one_scale(room.steps_ms, self._caller.moments.unix_ms)
        self._set(queue=room.queue, tier=room.tier, worker=room.worker, ms=times)
        if room.state is not State.ENDED:
            self._fail(f"the room is {room.state}: {room.reason}")

    async def aclose(self) -> None:
        """Stop looking at the room, wherever the call is."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    async def _converse(self, caller: Caller) -> None:
        self._conversation = Conversation(caller, self._tenant.greeting, self._said)
        try:
            await self._conversation.hold()
        except CallError as error:
            self._fail(str(error))
        recording = self._stack.directory / f"{self.name}.wav"
        await asyncio.to_thread(caller.save, recording)
        self._set(
            caller_said=tuple(turn.said for turn in self._conversation.turns if turn.said),
            agent_heard=tuple(caller.transcript.said(Speaker.CALLER)),
            agent_said=tuple(caller.transcript.said(Speaker.AGENT)),
            recording=recording,
        )

    def _set(self, **changes: Any) -> None:
        self.result = replace(self.result, **changes)

    def _fail(self, problem: str) -> None:
        self._narrator.call(self.name, problem)
        # The first problem is the one that explains the others.
        if self.result.problem is None:
            self._set(problem=problem)

    def _moment(self, moment: Moment) -> None:
        said = {
            Moment.CONNECTED: "the caller is in the room",
            Moment.AGENT_JOINED: "the caller sees the agent",
            Moment.FIRST_SOUND: "the caller hears the agent",
        }
        if moment in said:
            self._narrator.call(self.name, said[moment])

    def _changed(self, room: Room, steps: list[str]) -> None:
        who = f", answered by {room.worker}" if room.worker else ""
        self._narrator.call(self.name, f"{room.state} on {room.queue}{who}: {', '.join(steps)}")

    def _said(self, text: str) -> None:
        self._narrator.call(self.name, f"the caller says: {text}")

    def _line(self, line: Line) -> None:
        who = "the agent understood" if line.speaker is Speaker.CALLER else "the agent said"
        self._narrator.call(self.name, f"{who}: {line.text}")
