"""One call: run the agent, watch what becomes of it, and say how it ended."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, AgentStateChangedEvent, ConversationItemAddedEvent, JobContext

from pipeline.conversation import CONVERSATION, Conversation
from pipeline.errors import AgentCrashed, PipelineError, RoomGone, RoomUnreachable
from pipeline.options import CallOptions
from pipeline.presence import Presence
from pipeline.runtime import rtc_client
from pipeline.runtime.audio_output import ANNOUNCED_AT
from pipeline.runtime.early_join import join_early
from pipeline.runtime.job import announced_room, is_still_ours, present_room, running_job
from pipeline.runtime.job_runner import Inference, JobRunner
from pipeline.voice_agent import VOICE
from pipeline.voice_agent.failure_responder import FAILURE, FAILURES

StepReached = Callable[[str], None]
Said = Callable[[str], None]
"""Is given the conversation so far, as JSON, after each of its turns."""

HUSH_SECONDS = 1.0
"""How long nobody has spoken between two turns: long enough for a turn that has ended to be noticed."""
LOOK_SECONDS = 0.05

logger = logging.getLogger("switchboard.pipeline.call")


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended.

    `usage`: what each of the agent's models was used for, as livekit-agents counts it, and which providers have failed.
    """

    reason: str
    usage: list[dict[str, Any]]

    def usage_json(self) -> str:
        """`usage` as JSON."""
        return json.dumps(self.usage, default=str)


class Call:
    """A call that is about to run in this process. `hang_up` and `leave` may be called at any time."""

    def __init__(
        self,
        options: CallOptions,
        runner: JobRunner,
        *,
        on_step: StepReached,
        on_said: Said = lambda _: None,
        conversation: Conversation | None = None,
    ) -> None:
        self._options = options
        self._runner = runner
        self._on_step = on_step
        self._on_said = on_said
        self._conversation = conversation or Conversation()
        self._reached: set[str] = set()
        self._asked_to_end: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
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

    async def between_turns(self, patience_seconds: float) -> None:
        """Return when neither side is in the middle of a turn, at the latest after so many seconds."""
        deadline = time.monotonic() + patience_seconds
        hushed = time.monotonic() - HUSH_SECONDS if self._session is None else time.monotonic()
        while (now := time.monotonic()) < deadline and now - hushed < HUSH_SECONDS:
            if self._in_a_turn():
                hushed = now
            await asyncio.sleep(LOOK_SECONDS)

    def said(self) -> str:
        """The conversation so far, as JSON."""
        session = self._session
        return self._conversation.to_json(None if session is None else session.history)

    async def run(self, inference: Inference | None = None) -> CallOutcome:
        """Run the call to its end.

        Raises RoomGone if the room no longer exists, RoomUnreachable if the LiveKit server does not answer,
        AgentCrashed if the agent's entrypoint raised, and SessionFailed if the voice agent's session did.
        """
        options, agent = self._options, self._runner.agent
        early = agent.joins_early and options.announced_at is not None
        job = await running_job(options, agent, announced_room(options) if early else await present_room(options))
        if job is None:
            return CallOutcome(reason="rejected by the agent", usage=[])
        if self._asked_to_end is not None:
            return CallOutcome(reason=self._asked_to_end, usage=[])

        self._runner.userdata[VOICE] = self._options.voice
        self._runner.userdata[CONVERSATION] = self._conversation
        self._runner.userdata[ANNOUNCED_AT] = options.announced_at
        self._step("connecting")
        try:
            await self._runner.run(job, inference=inference, on_start=self._join if early else self._watch)
        finally:
            if self._presence is not None:
                self._presence.close()
        return self._outcome()

    async def _join(self, ctx: JobContext) -> None:
        """Join the room without asking first whether it is there, as it was announced just now.

        Should another of its name be there instead, `_compare_sid` notices.
        """
        await self._watch(ctx)
        self._begin(join_early(ctx))
        # Before the entrypoint keeps the event loop busy.
        await asyncio.sleep(0)

    async def _watch(self, ctx: JobContext) -> None:
        self._presence = Presence(ctx.room, self._options.limits)
        self._presence.ended.add_done_callback(lambda ended: self.hang_up(ended.result().value))
        ctx.room.on("connection_state_changed", lambda state: self._on_connection(ctx.room, state))
        ctx.room.on("room_updated", lambda: self._begin(self._compare_sid(ctx.room)))
        ctx.room.on("local_track_published", lambda *_: self._on_published())

    def _on_connection(self, room: rtc.Room, state: rtc.ConnectionState.ValueType) -> None:
        if state == rtc.ConnectionState.CONN_RECONNECTING:
            logger.warning("the connection to the LiveKit server is lost", extra={"sid": self._options.room_sid})
            rtc_client.hear()
        if state == rtc.ConnectionState.CONN_CONNECTED:
            # Another of its name may have taken the room's place: between the check and the join or, when the
            # connection was lost and came back, by a server that was restarted.
            if "joined" in self._reached:
                logger.info("the connection to the LiveKit server is back", extra={"sid": self._options.room_sid})
                self._begin(self._ask_again())
            else:
                self._begin(self._compare_sid(room))
                self._step("joined")

    def _begin(self, action: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare_sid(self, room: rtc.Room) -> None:
        if await room.sid != self._options.room_sid:
            await self._leave_replaced()

    async def _ask_again(self) -> None:
        # After a reconnection the library has the new room's sid only with the room's next update, up to 5 s later. And
        # whoever was cut off may have been replaced, which Redis tells only when its connection is back, too. If the
        # server does not answer, these will have to do.
        try:
            ours = await is_still_ours(self._options)
        except RoomUnreachable:
            return
        if not ours:
            await self._leave_replaced()

    async def _leave_replaced(self) -> None:
        self._replaced = True
        await self.leave("room replaced")

    @property
    def _session(self) -> AgentSession[Any] | None:
        context = self._runner.context
        # The public property raises where an agent has no session.
        return None if context is None else context._primary_agent_session  # noqa: SLF001

    def _on_published(self) -> None:
        self._step("published")
        session = self._session
        if session is not None:
            session.on("agent_state_changed", self._on_agent_state)
            session.on("conversation_item_added", self._on_item)

    def _on_item(self, _: ConversationItemAddedEvent) -> None:
        self._on_said(self.said())

    def _in_a_turn(self) -> bool:
        session = self._session
        return session is not None and (
            session.agent_state in {"thinking", "speaking"} or session.user_state == "speaking"
        )

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
        if isinstance(crash, rtc.ConnectError):
            raise RoomUnreachable(error=str(crash)) from crash
        if crash is not None and self._asked_to_end is None:
            raise AgentCrashed(error=f"{type(crash).__name__}: {crash}") from crash
        failure = self._runner.userdata.get(FAILURE)
        if isinstance(failure, Exception):
            raise failure
        session = self._session
        usage = [model.model_dump() for model in session.usage.model_usage] if session else []
        failures = self._runner.userdata.get(FAILURES)
        usage += failures.records() if failures is not None else []
        return CallOutcome(reason=self._asked_to_end or "ended by the agent or the room", usage=usage)
