"""One call: run the agent, watch what becomes of it, and say how it ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, AgentStateChangedEvent, JobContext

from pipeline.errors import AgentCrashed, PipelineError, RoomGone
from pipeline.job import running_job
from pipeline.options import CallOptions
from pipeline.presence import Presence
from pipeline.runner import Inference, JobRunner
from pipeline.voice_agent import FAILURE, VOICE

StepReached = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended. `usage`: what each of the agent's models was used for, as livekit-agents counts it."""

    reason: str
    usage: list[dict[str, Any]]

    def usage_json(self) -> str:
        """`usage` as JSON."""
        return json.dumps(self.usage, default=str)


class Call:
    """A call that is about to run in this process. `hang_up` and `leave` may be called at any time."""

    def __init__(self, options: CallOptions, runner: JobRunner, *, on_step: StepReached) -> None:
        self._options = options
        self._runner = runner
        self._on_step = on_step
        self._reached: set[str] = set()
        self._asked_to_end: str | None = None
        self._checking: asyncio.Task[None] | None = None
        self._presence: Presence | None = None
        self._replaced = False

    def hang_up(self, reason: str) -> None:
        """End the call in order: the session closes, shutdown callbacks run, the agent leaves."""
        if self._asked_to_end is None:
            self._asked_to_end = reason
            self._runner.shutdown(reason)

    async def leave(self, reason: str) -> None:
        """Leave the room at once: another agent may be about to answer it."""
        self.hang_up(reason)
        await self._runner.leave()

    async def run(self, inference: Inference | None = None) -> CallOutcome:
        """Run the call to its end.

        Raises RoomGone if the room no longer exists, RoomUnreachable if the LiveKit server does not answer,
        AgentCrashed if the agent's entrypoint raised, and SessionFailed if the voice agent's session did.
        """
        job = await running_job(self._options, self._runner.agent)
        if job is None:
            return CallOutcome(reason="rejected by the agent", usage=[])
        if self._asked_to_end is not None:
            return CallOutcome(reason=self._asked_to_end, usage=[])

        self._runner.userdata[VOICE] = self._options.voice
        self._step("connecting")
        try:
            await self._runner.run(job, inference=inference, on_start=self._on_start)
        finally:
            if self._presence is not None:
                self._presence.close()
        return self._outcome()

    def _on_start(self, ctx: JobContext) -> None:
        self._presence = Presence(ctx.room, self._options.limits)
        self._presence.ended.add_done_callback(lambda ended: self.hang_up(ended.result().value))
        ctx.room.on("connection_state_changed", lambda state: self._on_connection(ctx.room, state))
        ctx.room.on("local_track_published", lambda *_: self._on_published(ctx))

    def _on_connection(self, room: rtc.Room, state: rtc.ConnectionState.ValueType) -> None:
        if state == rtc.ConnectionState.CONN_CONNECTED and "joined" not in self._reached:
            self._step("joined")
            self._checking = asyncio.create_task(self._check_sid(room))

    async def _check_sid(self, room: rtc.Room) -> None:
        # The room may have been replaced by another of its name between the check and the join.
        if await room.sid != self._options.room_sid:
            self._replaced = True
            await self.leave("room replaced")

    def _on_published(self, ctx: JobContext) -> None:
        self._step("published")
        session = ctx._primary_agent_session  # noqa: SLF001 - the public property raises where an agent has no session
        if session is not None:
            session.on("agent_state_changed", self._on_agent_state)

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._step("first_audio")

    def _step(self, name: str) -> None:
        if name not in self._reached:
            self._reached.add(name)
            self._on_step(name)

    def _outcome(self) -> CallOutcome:
        if self._replaced:
            raise RoomGone(sid=self._options.room_sid)
        crash = self._runner.crash
        if isinstance(crash, PipelineError):
            raise crash
        if crash is not None and self._asked_to_end is None:
            raise AgentCrashed(error=f"{type(crash).__name__}: {crash}") from crash
        failure = self._runner.userdata.get(FAILURE)
        if isinstance(failure, Exception):
            raise failure
        context = self._runner.context
        session: AgentSession[Any] | None = context._primary_agent_session if context else None  # noqa: SLF001
        usage = [model.model_dump() for model in session.usage.model_usage] if session else []
        return CallOutcome(reason=self._asked_to_end or "ended by the agent or the room", usage=usage)
