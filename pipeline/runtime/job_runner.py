"""livekit-agents' own job runner, driven in this process instead of over a pipe from a parent process.

So an entrypoint meets the JobContext that it was written for: the same prewarm, connect, shutdown callbacks and
shutdown order. `_ParentProcess` stands in for the parent: it receives the messages meant for it, and passes inference
requests on. This is private API of livekit-agents. Its version is pinned, and
tests/integration/pipeline/runtime/test_job_runner_contract.py fails when it moves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from livekit import rtc
from livekit.agents import AgentSession, JobContext
from livekit.agents.ipc import proto
from livekit.agents.ipc.channel import Message
from livekit.agents.ipc.job_proc_lazy_main import _JobProc, _ShutdownInfo
from livekit.agents.ipc.proc_client import _ProcClient
from livekit.agents.job import JobExecutorType, RunningJobInfo
from livekit.agents.utils import aio

from pipeline.errors import PipelineError
from pipeline.runtime.agent_hooks import AgentHooks

DISCONNECT_SECONDS = 3.0
"""Time limit for leaving a room. livekit's client waits for ever for a server that it cannot reach."""

logger = logging.getLogger("switchboard.pipeline.call")


class InferenceUnavailable(PipelineError):
    """The agent asked for the inference of {method!r}, and no inference process runs beside this worker.

    Import the plugin that needs it in the agent's module, so that the worker sees it before the first call.
    """


class Inference(Protocol):
    """Client of the models that plugins share over all calls of a worker, such as a turn detector's."""

    async def infer(self, method: str, data: bytes) -> bytes | None:
        """Return the answer of the runner registered for `method`. May raise any Exception."""

    async def aclose(self) -> None:
        """Close the connection."""


class NoInference:
    """The client where no inference process runs."""

    async def infer(self, method: str, data: bytes) -> bytes | None:
        """Raise InferenceUnavailable."""
        del data
        raise InferenceUnavailable(method=method)

    async def aclose(self) -> None:
        """Do nothing."""


class _ParentProcess:
    def __init__(self, inference: Inference) -> None:
        self.inference = inference
        self.inbox: aio.Chan[Message] | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def send(self, message: Message) -> None:
        if isinstance(message, proto.InferenceRequest):
            answer = asyncio.create_task(self._answer(message))
            self._answers.add(answer)
            answer.add_done_callback(self._answers.discard)

    async def _answer(self, request: proto.InferenceRequest) -> None:
        response = proto.InferenceResponse(request_id=request.request_id)
        try:
            response.data = await self.inference.infer(request.method, request.data)
        except Exception as error:  # noqa: BLE001 - it travels to the plugin that asked
            response.error = str(error) or type(error).__name__
        if self.inbox is not None and not self.inbox.closed:
            self.inbox.send_nowait(response)


@dataclass(frozen=True, slots=True)
class JobShutdown:
    """The begin of a job's end. `by_agent`: the agent has asked for it, with `ctx.shutdown()`."""

    reason: str
    by_agent: bool


class JobRunner:
    """The runner of one job in this process: `prewarm` before the call is known, then `run`.

    Both belong into a fresh process: the FFI client and the agent's prewarm hold threads that do not survive a fork.
    """

    def __init__(self, agent: AgentHooks, inference: Inference | None = None) -> None:
        self.agent = agent
        self.context: JobContext | None = None
        self.crash: Exception | None = None
        self._on_start: Callable[[JobContext], Awaitable[None]]
        self._on_shutdown: Callable[[JobShutdown], None]
        self._parent = _ParentProcess(inference or NoInference())
        self._proc = _JobProc(
            agent.prewarm,
            self._entrypoint,
            agent.session_end,
            session_end_timeout=agent.session_end_seconds,
            executor_type=JobExecutorType.PROCESS,
        )

    def prewarm(self) -> None:
        """Run the agent's prewarm. Raises what it raises."""
        self._proc.initialize(proto.InitializeRequest(), cast("_ProcClient", self._parent))

    @property
    def userdata(self) -> dict[Any, Any]:
        """`ctx.proc.userdata`, as the prewarm filled it."""
        return self._proc._job_proc.userdata

    @property
    def session(self) -> AgentSession[Any] | None:
        """The agent's session, once it has one. The context's public property raises where there is none."""
        return None if self.context is None else self.context._primary_agent_session

    async def run(
        self,
        job: RunningJobInfo,
        *,
        on_start: Callable[[JobContext], Awaitable[None]],
        on_shutdown: Callable[[JobShutdown], None],
    ) -> None:
        """Run the job to its end. `on_start` is awaited with the job's context before the entrypoint is called.

        `on_shutdown` is called as soon as the job is going to end: before its session is closed and its shutdown
        callbacks run. An exception of `on_start` or the entrypoint is in `crash` then.
        """
        self._on_start, self._on_shutdown = on_start, on_shutdown
        self._parent.inbox = inbox = aio.Chan[Message]()
        start = proto.StartJobRequest()
        start.running_job = job
        inbox.send_nowait(start)
        try:
            await self._proc.entrypoint(inbox)
        finally:
            inbox.close()
            await self._parent.inference.aclose()

    def shutdown(self, reason: str) -> None:
        """Ask the job to end: the session closes, shutdown callbacks run, the agent leaves the room."""
        if self._parent.inbox is not None and not self._parent.inbox.closed:
            self._parent.inbox.send_nowait(proto.ShutdownRequest(reason=reason))

    async def leave(self) -> None:
        """Leave the room now, in the middle of a sentence if need be. The job then ends by itself."""
        if self.context is not None:
            await self.context.room.disconnect()

    def _shut_down(self, shutdown: asyncio.Future[_ShutdownInfo]) -> None:
        if not shutdown.cancelled():
            info = shutdown.result()
            self._on_shutdown(JobShutdown(info.reason, by_agent=info.user_initiated))

    async def _entrypoint(self, ctx: JobContext) -> None:
        self.context = ctx
        self._proc._shutdown_fut.add_done_callback(self._shut_down)
        _bound_disconnect(ctx.room)
        try:
            await self._on_start(ctx)
            await self.agent.entrypoint(ctx)
        except Exception as error:
            self.crash = error
            raise


def _bound_disconnect(room: rtc.Room) -> None:
    """Have the room be left within DISCONNECT_SECONDS, and say so, whether the agent, livekit-agents or we leave it.

    livekit's client does not always emit `disconnected` for a room that is left soon after it was joined. And to leave
    while it connects has no effect on it: over a network that was away for seconds it would join afterwards, beside the
    agent of the next attempt.
    """
    connect, disconnect = room.connect, room.disconnect
    leaving: list[asyncio.Task[None]] = []
    told: list[object] = []
    room.on("disconnected", lambda reason: told.append(reason))  # noqa: PLW0108 - the emitter looks at its signature

    async def leave(**options: Any) -> None:
        if not leaving:
            leaving.append(asyncio.create_task(disconnect(**options)))
            _, pending = await asyncio.wait(leaving, timeout=DISCONNECT_SECONDS)
            if pending:
                logger.warning("the LiveKit server does not let the agent leave")
                leaving[0].cancel()
            if not told:
                room.emit("disconnected", rtc.DisconnectReason.CLIENT_INITIATED)
        await asyncio.wait(leaving)

    async def join(*arguments: Any, **options: Any) -> None:
        if not leaving:
            await connect(*arguments, **options)
        if leaving:
            await disconnect()
            raise rtc.ConnectError("the room was left before it was joined")

    room.connect = join  # type: ignore[method-assign]
    room.disconnect = leave  # type: ignore[method-assign]
