"""One call: run the agent in its room, watch the room and the connection, and return how the call ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from livekit import rtc
from livekit.agents import AgentStateChangedEvent, ConversationItemAddedEvent, JobContext

from pipeline.conversation import Conversation
from pipeline.errors import AgentWithdrawn, PipelineError, RoomGone, RoomUnreachable
from pipeline.failure_log import FailureLog
from pipeline.metrics import CallMetrics
from pipeline.options import CallOptions
from pipeline.outcome import CallOutcome, End, EndedBy
from pipeline.phase import Phase
from pipeline.room_watch import RoomWatch
from pipeline.runtime import recording, rtc_client
from pipeline.runtime.early_join import join_early
from pipeline.runtime.job import build_job, caller_listened, fetch_room, room_stub, still_ours
from pipeline.runtime.job_runner import JobRunner, JobShutdown
from pipeline.runtime.sessions import Session
from pipeline.userdata import USERDATA_KEY, CallUserdata

OnStep = Callable[[str], None]
"""Called with the name of each step, when the call reaches it."""
OnConversation = Callable[[str], None]
"""Called after each turn with the conversation so far, as JSON."""
OnMetrics = Callable[[str, str], None]
"""Called with the usage of the models and the turns so far, each as JSON: at most once a second, and at the end."""
OnPhase = Callable[[Phase], None]
"""Called with each phase, when the call enters it."""
OnOver = Callable[[End], None]
"""Called once, when it is known how the call has ended, before the agent's shutdown callbacks run."""

SILENCE_SECONDS = 1.0
"""The silence that separates two turns: long enough for the end of a turn to be noticed."""
POLL_SECONDS = 0.05
REPORT_SECONDS = 1.0
"""The time from a change of the metrics until they are reported, with all that changed meanwhile."""

logger = logging.getLogger("switchboard.pipeline.call")


class Call:
    """A call in this process. `hang_up` and `leave` may be called at any time, before `run` too."""

    def __init__(  # noqa: PLR0913 - one callback for each thing that a call tells
        self,
        options: CallOptions,
        runner: JobRunner,
        conversation: Conversation,
        *,
        on_step: OnStep,
        on_conversation: OnConversation,
        on_metrics: OnMetrics = lambda *_: None,
        on_phase: OnPhase = lambda _: None,
        on_over: OnOver = lambda _: None,
    ) -> None:
        self._options = options
        self._runner = runner
        self._on_step = on_step
        self._on_conversation = on_conversation
        self._on_metrics = on_metrics
        self._on_phase = on_phase
        self._on_over = on_over
        self._conversation = conversation
        self._failures = FailureLog(sid=options.room_sid)
        self._metrics = CallMetrics(self._on_metrics_changed)
        self._report: asyncio.TimerHandle | None = None
        self._steps: set[str] = set()
        self._end: End | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._room_watch: RoomWatch | None = None

    def hang_up(self, reason: str, ended_by: EndedBy = EndedBy.CALLERS) -> None:
        """End the call in order: the session closes, shutdown callbacks run, the agent leaves."""
        self._finish(CallOutcome(reason, ended_by))
        self._runner.shutdown(reason)

    async def leave(self, reason: str) -> None:
        """Leave the room at once: another agent may be about to answer it. `run` then raises AgentWithdrawn."""
        await self._leave(AgentWithdrawn(reason=reason))

    def outcome_so_far(self) -> End | None:
        """Return the end of the call as soon as it is known, else None. Any thread may ask."""
        return self._end

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

    def report_metrics(self) -> None:
        """Report the metrics as they are now."""
        if self._report is not None:
            self._report.cancel()
            self._report = None
        if (session := self._runner.session) is not None:
            # It may have made no sound yet by which it would have been found.
            self._metrics.watch(session)
        usage = self._metrics.usage() + self._failures.records()
        self._on_metrics(json.dumps(usage, default=str), json.dumps(self._metrics.turns()))

    async def run(self) -> CallOutcome:
        """Run the call to its end, shutdown callbacks included.

        Raises the error that `outcome_so_far` then is, for a call that has failed.
        """
        self._on_phase(Phase.REQUESTING)
        try:
            await self._run()
        except RoomGone:
            self._finish(CallOutcome("room gone", EndedBy.CALLERS))
        except PipelineError as error:
            self._finish(error)
        end = self._end or CallOutcome("ended by the agent", EndedBy.AGENT)
        # Once more: the shutdown callbacks, too, may have used models.
        self.report_metrics()
        if isinstance(end, Exception):
            raise end
        return end

    async def _run(self) -> None:
        options, agent = self._options, self._runner.agent
        early = agent.joins_early and options.announced_at is not None
        job = await build_job(options, agent, room_stub(options) if early else await fetch_room(options))
        if job is None:
            self._finish(CallOutcome("rejected by the agent", EndedBy.AGENT))
        if job is None or self._end is not None:
            return
        self._runner.userdata[USERDATA_KEY] = CallUserdata(
            voice=options.voice,
            conversation=self._conversation,
            announced_at=options.announced_at,
            recorded=options.record.audio or options.record.transcript,
            failures=self._failures,
        )
        self._on_phase(Phase.CONNECTING)
        self._step("connecting")
        try:
            await self._runner.run(
                job, on_start=self._join if early else self._watch, on_shutdown=self._on_job_shutdown
            )
        finally:
            if self._room_watch is not None:
                self._room_watch.close()

    def _finish(self, end: End) -> None:
        """Note how the call has ended, unless that is known already."""
        if self._end is not None:
            return
        self._end = end
        self._on_phase(Phase.ENDING)
        self.report_metrics()
        self._on_over(self._end)

    async def _leave(self, end: End) -> None:
        self._finish(end)
        self._runner.shutdown(end.reason if isinstance(end, CallOutcome) else str(end))
        await self._runner.leave()

    def _on_room_end(self, end: End) -> None:
        if self._end is not None:
            return
        if isinstance(end, CallOutcome):
            self.hang_up(end.reason, end.ended_by)
        else:
            self._begin(self._leave(end))

    def _on_job_shutdown(self, shutdown: JobShutdown) -> None:
        if self._room_watch is not None:
            self._finish(self._room_watch.end_of_job(shutdown, self._runner.crash))

    def _on_recording(self, parts: Sequence[str]) -> None:
        for part in parts:
            self._step(f"recording_{part}")

    def _on_upload(self) -> None:
        # The record of the attempt is written now, with what the shutdown callbacks have used.
        self.report_metrics()
        self._on_phase(Phase.UPLOADING)

    def _on_metrics_changed(self) -> None:
        # The end has a report of its own.
        if self._report is None and self._end is None:
            self._report = asyncio.get_running_loop().call_later(REPORT_SECONDS, self.report_metrics)

    async def _join(self, ctx: JobContext) -> None:
        """Join the room without asking the server for it first, as it was announced just now.

        If the server has another room of this name instead, `_compare_sid` notices.
        """
        await self._watch(ctx)
        self._begin(join_early(ctx))
        # Let it begin before the entrypoint keeps the event loop busy.
        await asyncio.sleep(0)

    async def _watch(self, ctx: JobContext) -> None:
        if self._options.record.parts:
            recording.record(ctx, self._options.record, on_begun=self._on_recording, on_upload=self._on_upload)
        self._room_watch = watch = RoomWatch(
            ctx, self._options.limits, self._failures, on_end=self._on_room_end, on_session=self._on_session
        )
        ctx.room.on("connection_state_changed", lambda state: self._on_connection(ctx.room, state))
        ctx.room.on("room_updated", lambda: self._begin(self._compare_sid(ctx.room)))
        ctx.room.on("local_track_published", lambda *_: self._step("published"))
        ctx.room.on("local_track_subscribed", lambda *_: self._begin(self._note_listener(watch)))

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
                if self._end is None:
                    self._on_phase(Phase.RUNNING)

    def _begin(self, action: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare_sid(self, room: rtc.Room) -> None:
        if await room.sid != self._options.room_sid:
            await self._leave_replaced()

    async def _note_listener(self, watch: RoomWatch) -> None:
        # A caller who leaves within the first moments is never announced: that somebody listened is all there is of it.
        if not watch.presence.callers:
            with contextlib.suppress(RoomUnreachable):
                if await caller_listened(self._options):
                    watch.presence.note_unannounced_caller()

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
        await self._leave(CallOutcome("room gone", EndedBy.CALLERS))

    def _on_session(self, session: Session) -> None:
        self._metrics.watch(session)
        if session is self._runner.session:
            session.on("agent_state_changed", self._on_agent_state)
            session.on("conversation_item_added", self._on_item)

    def _on_item(self, _: ConversationItemAddedEvent) -> None:
        # Before the conversation, with which they are then written.
        self.report_metrics()
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
