"""The watch over a call's room, which decides when the call has ended, and who has ended it.

    seen                                                     the call
    nobody came, all have left, too long (`presence`)        has ended, by the callers or the limit
    the agent has not joined when the join time is over      has failed: AgentNeverJoined
    no session listens to a caller who is there, as it has   has failed: SessionFailed, SessionClosed
      closed with an error or with its caller (`sessions`)
    no packet arrives from the LiveKit server, or it has     has failed: LiveKitLost
      disconnected the agent (`connection`, `outcome`)
    the agent has shut down or left on purpose, while a      has ended, by the agent
      caller was there or was still to come
    the same when all callers had left                       has ended, by the callers

A failed call's agent leaves at once, and the next attempt answers. The agent of one that has ended goes through
livekit-agents' shutdown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from livekit import rtc
from livekit.agents import JobContext

from pipeline.connection import Connection
from pipeline.errors import AgentCrashed, AgentNeverJoined, LiveKitLost, PipelineError, RoomUnreachable, SessionFailed
from pipeline.failure_log import FailureLog
from pipeline.options import CallLimits
from pipeline.outcome import CallOutcome, End, EndedBy, end_by_disconnect
from pipeline.presence import EndReason, Presence
from pipeline.runtime.job_runner import JobShutdown
from pipeline.runtime.sessions import Session, Sessions
from pipeline.runtime.subscriptions import Subscriptions


class RoomWatch:
    """Watch over the room of `ctx`, from before the agent joins it.

    `on_end` is called with the end of the call, when it is seen, perhaps more than once. `on_session` is called once
    with each session of the agent.
    """

    def __init__(
        self,
        ctx: JobContext,
        limits: CallLimits,
        failures: FailureLog,
        *,
        on_end: Callable[[End], None],
        on_session: Callable[[Session], None],
    ) -> None:
        self._limits = limits
        self._failures = failures
        self._on_end = on_end
        self._joined = False
        self._disconnect_reason: int | None = None
        self.presence = Presence(ctx.room, limits)
        self._sessions = Sessions(ctx, on_started=on_session, on_changed=self._on_sessions_changed)
        self._subscriptions = Subscriptions(ctx)
        self._connection = Connection(ctx.room, limits.livekit_away_seconds)
        self.presence.ended.add_done_callback(lambda ended: self._on_limit(ended.result()))
        self._connection.lost.add_done_callback(lambda lost: self._on_end(LiveKitLost(problem=lost.result())))
        ctx.room.on("connection_state_changed", partial(self._on_connection, ctx.room))
        ctx.room.on("disconnected", self._on_disconnected)

    def close(self) -> None:
        """Stop watching."""
        self.presence.close()
        self._sessions.close()
        self._subscriptions.close()
        self._connection.close()

    def end_of_job(self, shutdown: JobShutdown, crash: Exception | None) -> End:
        """Return the end of a call whose job begins to shut down. `crash`: the exception of the agent's entrypoint."""
        if crash is not None:
            return _end_by_crash(crash)
        if self._failures.fatal is not None:
            return self._failures.fatal
        end: End = CallOutcome(shutdown.reason, EndedBy.AGENT)
        if not shutdown.by_agent and self._disconnect_reason is not None:
            end = end_by_disconnect(self._disconnect_reason)
        return self._end_by_agent(end) if isinstance(end, CallOutcome) and end.ended_by is EndedBy.AGENT else end

    def _end_by_agent(self, end: CallOutcome) -> End:
        # An agent that shuts down because its session has closed, or because all have left, has not decided it.
        if (failure := self._failure()) is not None:
            return failure
        all_left = self.presence.came and not self.presence.callers
        return replace(end, ended_by=EndedBy.CALLERS) if all_left else end

    def _failure(self) -> Exception | None:
        """Return the reason why no session listens to a caller who is there, or to the one who is to come."""
        failure = self._sessions.failure
        none_yet = isinstance(failure, SessionFailed) and not self.presence.came
        return (self._failures.fatal or failure) if failure and (self._sessions.wanted or none_yet) else None

    def _on_limit(self, reason: EndReason) -> None:
        if not self._joined:
            self._on_end(AgentNeverJoined(seconds=self._limits.join_seconds))
        elif reason is EndReason.TOO_LONG:
            self._on_end(CallOutcome(reason.value, EndedBy.LIMIT))
        else:
            by = EndedBy.AGENT if self._sessions.closed_on_purpose else EndedBy.CALLERS
            self._on_end(CallOutcome(reason.value, by))

    def _on_sessions_changed(self) -> None:
        if (failure := self._failure()) is not None:
            self._on_end(failure)

    def _on_connection(self, room: rtc.Room) -> None:
        self._joined = self._joined or room.isconnected()

    def _on_disconnected(self, reason: int) -> None:
        self._disconnect_reason = reason


def _end_by_crash(crash: Exception) -> Exception:
    if isinstance(crash, PipelineError):
        return crash
    if isinstance(crash, rtc.ConnectError):
        return RoomUnreachable(error=str(crash))
    return AgentCrashed(error=f"{type(crash).__name__}: {crash}")
