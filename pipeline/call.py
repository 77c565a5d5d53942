"""One call: run the agent in its room, watch the room and the connection, and return how the call ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import AgentStateChangedEvent, ConversationItemAddedEvent, JobContext

from pipeline.conversation import Conversation
from pipeline.errors import AgentCrashed, PipelineError, RoomGone, RoomUnreachable
from pipeline.failure_log import FailureLog
from pipeline.options import CallOptions
from pipeline.presence import Presence, callers
from pipeline.runtime import rtc_client
from pipeline.runtime.early_join import join_early
from pipeline.runtime.job import build_job, caller_listened, fetch_room, room_stub, still_ours
from pipeline.runtime.job_runner import JobRunner
from pipeline.userdata import USERDATA_KEY, CallUserdata

OnStep = Callable[[str], None]
"""Called with the name of each step, when the call reaches it."""
OnConversation = Callable[[str], None]
"""Called after each turn with the conversation so far, as JSON."""

SILENCE_SECONDS = 1.0
"""The silence that separates two turns: long enough for the end of a turn to be noticed."""
POLL_SECONDS = 0.05

logger = logging.getLogger("switchboard.pipeline.call")


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The end of a call.

    `usage`: the use of each of the agent's models, as livekit-agents counts it, and the failures of its providers.
    """

    reason: str
    usage: list[dict[str, Any]]

    def usage_json(self) -> str:
        """Return `usage` as JSON."""
        return json.dumps(self.usage, default=str)


class Call:
    """A call in this process. `hang_up` and `leave` may be called at any time, before `run` too."""

    def __init__(
        self,
        options: CallOptions,
        runner: JobRunner,
        conversation: Conversation,
        *,
        on_step: OnStep,
        on_conversation: OnConversation,
    ) -> None:
        self._options = options
        self._runner = runner
        self._on_step = on_step
        self._on_conversation = on_conversation
        self._conversation = conversation
        self._failures = FailureLog(sid=options.room_sid)
        self._steps: set[str] = set()
        self._end_reason: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._presence: Presence | None = None
        self._replaced = False

    def hang_up(self, reason: str) -> None:
        """End the call in order: the session closes, shutdown callbacks run, the agent leaves."""
        if self._end_reason is None:
            self._end_reason = reason
            self._runner.shutdown(reason)

    async def leave(self, reason: str) -> None:
        """Leave the room at once: another agent may be about to answer it."""
        self.hang_up(reason)
        await self._runner.leave()

    async def between_turns(self, patience_seconds: float) -> None:
        """Return when neither side is in the middle of a turn, at the latest after so many seconds."""
        deadline = time.monotonic() + patience_seconds
        silent_since = time.monotonic()
        if self._runner.session is None:
            silent_since -= SILENCE_SECONDS
        while (now := time.monotonic()) < deadline and now - silent_since < SILENCE_SECONDS:
            if self._in_turn():
                silent_since = now
            await asyncio.sleep(POLL_SECONDS)

    def conversation_json(self) -> str:
        """Return the conversation so far, those of earlier attempts included, as JSON."""
        session = self._runner.session
        return self._conversation.to_json(None if session is None else session.history)

    async def run(self) -> CallOutcome:
        """Run the call to its end.

        Raises RoomGone if the room no longer exists, RoomUnreachable if the LiveKit server does not answer,
        AgentCrashed if the agent's entrypoint raised, and SessionFailed if the voice agent's session did.
        """
        options, agent = self._options, self._runner.agent
        early = agent.joins_early and options.announced_at is not None
        job = await build_job(options, agent, room_stub(options) if early else await fetch_room(options))
        if job is None:
            return CallOutcome(reason="rejected by the agent", usage=[])
        if self._end_reason is not None:
            return CallOutcome(reason=self._end_reason, usage=[])

        self._runner.userdata[USERDATA_KEY] = CallUserdata(
            voice=options.voice,
            conversation=self._conversation,
            announced_at=options.announced_at,
            failures=self._failures,
        )
        self._step("connecting")
        try:
            await self._runner.run(job, on_start=self._join if early else self._watch)
        finally:
            if self._presence is not None:
                self._presence.close()
        return self._outcome()

    def _outcome(self) -> CallOutcome:
        if self._replaced:
            raise RoomGone(sid=self._options.room_sid)
        crash = self._runner.crash
        if isinstance(crash, PipelineError):
            raise crash
        if isinstance(crash, rtc.ConnectError):
            raise RoomUnreachable(error=str(crash)) from crash
        if crash is not None and self._end_reason is None:
            raise AgentCrashed(error=f"{type(crash).__name__}: {crash}") from crash
        if self._failures.fatal is not None:
            raise self._failures.fatal
        session = self._runner.session
        usage = [model.model_dump() for model in session.usage.model_usage] if session else []
        usage += self._failures.records()
        return CallOutcome(reason=self._end_reason or "ended by the agent or the room", usage=usage)

    async def _join(self, ctx: JobContext) -> None:
        """Join the room without asking the server for it first, as it was announced just now.

        If the server has another room of this name instead, `_compare_sid` notices.
        """
        await self._watch(ctx)
        self._begin(join_early(ctx))
        # Let it begin before the entrypoint keeps the event loop busy.
        await asyncio.sleep(0)

    async def _watch(self, ctx: JobContext) -> None:
        self._presence = Presence(ctx.room, self._options.limits)
        self._presence.ended.add_done_callback(lambda ended: self.hang_up(ended.result().value))
        ctx.room.on("connection_state_changed", lambda state: self._on_connection(ctx.room, state))
        ctx.room.on("room_updated", lambda: self._begin(self._compare_sid(ctx.room)))
        ctx.room.on("local_track_published", lambda *_: self._on_published())
        ctx.room.on("local_track_subscribed", lambda *_: self._begin(self._note_listener(ctx.room)))

    def _on_connection(self, room: rtc.Room, state: rtc.ConnectionState.ValueType) -> None:
        if state == rtc.ConnectionState.CONN_RECONNECTING:
            logger.warning("connection to the LiveKit server lost", extra={"sid": self._options.room_sid})
            rtc_client.enable_logs()
        if state == rtc.ConnectionState.CONN_CONNECTED:
            # The server may have another room of the same name now: one made between the check and the join, or after
            # a restart of the server, which also cut the connection.
            if "joined" in self._steps:
                logger.info("connection to the LiveKit server restored", extra={"sid": self._options.room_sid})
                self._begin(self._check_room_again())
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

    async def _note_listener(self, room: rtc.Room) -> None:
        # A caller who leaves within the first moments is never announced: that somebody listened is all there is of it.
        if self._presence is None or callers(room):
            return
        with contextlib.suppress(RoomUnreachable):
            if await caller_listened(self._options):
                self._presence.note_unannounced_caller()

    async def _check_room_again(self) -> None:
        # After a reconnection the client has the new room's sid only with the room's next update, up to 5 s later. And
        # an agent that was cut off may have been replaced, which Redis tells only once its connection is back, too. If
        # the LiveKit server does not answer, these two remain.
        try:
            ours = await still_ours(self._options)
        except RoomUnreachable:
            return
        if not ours:
            await self._leave_replaced()

    async def _leave_replaced(self) -> None:
        self._replaced = True
        await self.leave("room replaced")

    def _on_published(self) -> None:
        self._step("published")
        session = self._runner.session
        if session is not None:
            session.on("agent_state_changed", self._on_agent_state)
            session.on("conversation_item_added", self._on_item)

    def _on_item(self, _: ConversationItemAddedEvent) -> None:
        self._on_conversation(self.conversation_json())

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._step("first_audio")

    def _in_turn(self) -> bool:
        session = self._runner.session
        return session is not None and (
            session.agent_state in {"thinking", "speaking"} or session.user_state == "speaking"
        )

    def _step(self, name: str) -> None:
        if name not in self._steps:
            self._steps.add(name)
            self._on_step(name)
