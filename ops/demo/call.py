"""One call of the demo, from the token to the result."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from livekit import rtc

from ops.caller.caller import Caller, caller_token
from ops.caller.errors import CallError
from ops.caller.milestones import Milestone
from ops.caller.transcript import Line, Speaker
from ops.demo import dialogue
from ops.demo.conversation import Conversation
from ops.demo.narrator import Narrator
from ops.demo.result import CallResult
from ops.demo.steps import follow_room, relative_times
from ops.demo.tenants import DemoTenant
from ops.stack import Stack
from tasks.rooms import Room, RoomStore, State

ENDED_SECONDS = 15.0
"""Limit for the room to be over after the caller has left."""


class DemoCall:
    """A call to one tenant. `talk` first, then `recognise` and `end` at the same time; then `result` is complete."""

    def __init__(self, tenant: DemoTenant, stack: Stack, rooms: RoomStore, narrator: Narrator) -> None:
        self.name = tenant.new_room()
        self.result = CallResult(room=self.name, tenant=tenant.id, tier=tenant.tier)
        self._tenant = tenant
        self._stack = stack
        self._rooms = rooms
        self._narrator = narrator
        self._caller: Caller | None = None
        self._conversation: Conversation | None = None
        self._follower: asyncio.Task[Room] | None = None

    async def talk(self) -> None:
        """Join the room, hold the conversation, and leave."""
        livekit = self._stack.livekit
        token = caller_token(livekit.api_key, livekit.api_secret, room=self.name, identity="caller")
        try:
            async with Caller.call(
                livekit.url, token, on_milestone=self._on_milestone, on_line=self._on_line
            ) as caller:
                self._caller = caller
                self._follower = asyncio.create_task(follow_room(self._rooms, caller.room_sid, self._on_room_changed))
                await self._converse(caller)
        except rtc.ConnectError as error:
            self._fail(f"the caller could not connect: {error}")
            return
        self._narrator.call(self.name, "the caller has left")

    async def recognise(self) -> None:
        """Recognise the audio that the caller received, and judge it. Needs the CPU for about a second."""
        if self._conversation is None:
            return
        heard = tuple(await asyncio.to_thread(self._conversation.recognised))
        self._set(caller_heard=heard, silenced_ms=self._conversation.silenced_ms())
        if not any(dialogue.is_answer(text) for text in heard):
            words = ", ".join(dialogue.ANSWER_WORDS)
            self._fail(f"the caller did not hear the answer to {dialogue.QUESTION!r} ({words})")

    async def end(self) -> None:
        """Wait until the room is over, and add the times of its steps to the result."""
        if self._follower is None or self._caller is None:
            return
        try:
            async with asyncio.timeout(ENDED_SECONDS):
                room = await self._follower
        except TimeoutError:
            self._fail(f"the room was still open {ENDED_SECONDS:.0f} s after the caller had left")
            return
        times = relative_times(room.steps_ms, self._caller.milestones.unix_ms)
        self._set(queue=room.queue, tier=room.tier, worker=room.worker, ms=times)
        if room.state is not State.ENDED:
            self._fail(f"the room is {room.state}: {room.reason}")

    async def aclose(self) -> None:
        """Stop following the room."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.wait([self._follower])

    async def _converse(self, caller: Caller) -> None:
        self._conversation = Conversation(caller, self._tenant.greeting, self._on_sentence)
        try:
            await self._conversation.hold()
        except CallError as error:
            self._fail(str(error))
        recording = self._stack.directory / f"{self.name}.wav"
        await asyncio.to_thread(caller.save, recording)
        self._set(
            caller_said=tuple(turn.text for turn in self._conversation.turns if turn.text),
            agent_heard=tuple(caller.transcript.texts(Speaker.CALLER)),
            agent_said=tuple(caller.transcript.texts(Speaker.AGENT)),
            recording=recording,
        )

    def _set(self, **changes: Any) -> None:
        self.result = replace(self.result, **changes)

    def _fail(self, problem: str) -> None:
        self._narrator.call(self.name, problem)
        # The first problem is the one that explains the others.
        if self.result.problem is None:
            self._set(problem=problem)

    def _on_milestone(self, milestone: Milestone) -> None:
        texts = {
            Milestone.CONNECTED: "the caller is in the room",
            Milestone.AGENT_JOINED: "the caller sees the agent",
            Milestone.FIRST_SOUND: "the caller hears the agent",
        }
        if milestone in texts:
            self._narrator.call(self.name, texts[milestone])

    def _on_room_changed(self, room: Room, steps: list[str]) -> None:
        worker = f", answered by {room.worker}" if room.worker else ""
        self._narrator.call(self.name, f"{room.state} on {room.queue}{worker}: {', '.join(steps)}")

    def _on_sentence(self, text: str) -> None:
        self._narrator.call(self.name, f"the caller says: {text}")

    def _on_line(self, line: Line) -> None:
        heading = "the agent understood" if line.speaker is Speaker.CALLER else "the agent said"
        self._narrator.call(self.name, f"{heading}: {line.text}")
