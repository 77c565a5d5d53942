"""The private API of livekit-agents that `pipeline.runtime.job_runner` and `pipeline.runtime.agent_hooks` use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import AgentServer, JobContext, JobProcess, WorkerOptions
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent as agent_proto
from livekit.protocol import models

from pipeline.errors import AgentNotFound
from pipeline.runtime.agent_hooks import AgentHooks, load_hooks
from pipeline.runtime.job_runner import JobRunner, JobShutdown

Entrypoint = Callable[[JobContext], Awaitable[None]]


def job() -> RunningJobInfo:
    now = time.time()
    return RunningJobInfo(
        accept_arguments=JobAcceptArguments(name="", identity="agent", metadata=""),
        job=agent_proto.Job(id="RM_1:1", room=models.Room(sid="RM_1", name="call-acme-1"), metadata="its metadata"),
        url="ws://127.0.0.1:1",
        token="not used",
        worker_id="celery@one",
        fake_job=False,
        received_at=now,
        accepted_at=now,
        assigned_at=now,
        launched_at=now,
    )


async def nothing(_: JobContext) -> None:
    """Nothing is to be done before the entrypoint."""


def ignored(_: JobShutdown) -> None:
    """Nothing is to be done at the begin of its end."""


async def run(entrypoint: Entrypoint, **hooks: Any) -> JobRunner:
    runner = JobRunner(AgentHooks(path="test:agent", entrypoint=entrypoint, **hooks))
    runner.prewarm()
    await asyncio.wait_for(runner.run(job(), on_start=nothing, on_shutdown=ignored), 20)
    return runner


async def test_the_prewarm_fills_the_userdata_that_the_entrypoint_finds() -> None:
    found: dict[str, object] = {}

    def prewarm(proc: JobProcess) -> None:
        proc.userdata["model"] = "loaded"

    async def entrypoint(ctx: JobContext) -> None:
        found.update(ctx.proc.userdata, job=ctx.job.id, room=ctx.room.name, worker=ctx.worker_id)
        found["metadata"] = ctx.job.metadata
        ctx.shutdown("done")

    await run(entrypoint, prewarm=prewarm)
    assert found == {
        "model": "loaded",
        "job": "RM_1:1",
        "room": "call-acme-1",
        "worker": "celery@one",
        "metadata": "its metadata",
    }


async def test_session_end_and_shutdown_callbacks_run_in_their_order() -> None:
    order: list[str] = []

    async def session_end(_: JobContext) -> None:
        order.append("session end")

    async def entrypoint(ctx: JobContext) -> None:
        async def callback(reason: str) -> None:
            order.append(f"callback: {reason}")

        ctx.add_shutdown_callback(callback)
        ctx.shutdown("the agent is done")

    await run(entrypoint, session_end=session_end)
    assert order == ["session end", "callback: the agent is done"]


async def test_a_shutdown_from_outside_ends_the_job_with_its_reason() -> None:
    reasons: list[str] = []
    started = asyncio.Event()

    async def entrypoint(ctx: JobContext) -> None:
        async def callback(reason: str) -> None:
            reasons.append(reason)

        ctx.add_shutdown_callback(callback)
        started.set()

    runner = JobRunner(AgentHooks(path="test:agent", entrypoint=entrypoint))
    runner.prewarm()
    running = asyncio.create_task(runner.run(job(), on_start=nothing, on_shutdown=ignored))
    await started.wait()
    runner.shutdown("room empty")
    await asyncio.wait_for(running, 20)
    assert reasons == ["room empty"]


async def test_an_exception_of_the_entrypoint_is_kept_and_the_callbacks_run(caplog: pytest.LogCaptureFixture) -> None:
    called = asyncio.Event()

    async def entrypoint(ctx: JobContext) -> None:
        async def callback() -> None:
            called.set()

        ctx.add_shutdown_callback(callback)
        message = "a bug"
        raise ValueError(message)

    with caplog.at_level(logging.CRITICAL):
        runner = await run(entrypoint)
    assert isinstance(runner.crash, ValueError)
    assert called.is_set()


async def test_log_fields_of_the_context_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        ctx.log_context_fields = {"customer": "seven"}
        logging.getLogger("an.agent").warning("hello")
        ctx.shutdown("done")

    with caplog.at_level(logging.WARNING):
        await run(entrypoint)
    (record,) = [record for record in caplog.records if record.name == "an.agent"]
    assert getattr(record, "customer", None) == "seven"


async def test_a_request_for_inference_is_answered_and_the_client_is_closed_with_the_job() -> None:
    answers: list[bytes | None] = []

    class Upper:
        closed = False

        async def infer(self, method: str, data: bytes) -> bytes | None:
            return method.encode() + data.upper()

        async def aclose(self) -> None:
            self.closed = True

    async def entrypoint(ctx: JobContext) -> None:
        answers.append(await ctx.inference_executor.do_inference("upper:", b"hello"))
        ctx.shutdown("done")

    inference = Upper()
    runner = JobRunner(AgentHooks(path="test:agent", entrypoint=entrypoint), inference)
    runner.prewarm()
    await asyncio.wait_for(runner.run(job(), on_start=nothing, on_shutdown=ignored), 20)
    assert answers == [b"upper:HELLO"]
    assert inference.closed


async def test_a_request_for_inference_that_nobody_runs_says_what_to_do() -> None:
    errors: list[str] = []

    async def entrypoint(ctx: JobContext) -> None:
        try:
            await ctx.inference_executor.do_inference("lk_end_of_utterance", b"")
        except RuntimeError as error:
            errors.append(str(error))
        ctx.shutdown("done")

    await run(entrypoint)
    assert "'lk_end_of_utterance'" in errors[0]
    assert "Import the plugin" in errors[0]


def test_an_agent_server_gives_its_entrypoint_and_its_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    server = AgentServer(session_end_timeout=7)

    def prewarm(_: JobProcess) -> None: ...

    async def session_end(_: JobContext) -> None: ...

    async def request(_: object) -> None: ...

    @server.rtc_session(agent_name="reception", on_request=request, on_session_end=session_end)
    async def entrypoint(_: JobContext) -> None: ...

    server.setup_fnc = prewarm
    monkeypatch.setitem(globals(), "server", server)
    assert load_hooks(f"{__name__}:server") == AgentHooks(
        path=f"{__name__}:server",
        entrypoint=entrypoint,
        prewarm=prewarm,
        request=request,
        session_end=session_end,
        session_end_seconds=7,
        agent_name="reception",
        memory_warn_mb=1000,
    )


def test_the_older_worker_options_are_an_agent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def entrypoint(_: JobContext) -> None: ...

    def prewarm(_: JobProcess) -> None: ...

    monkeypatch.setitem(globals(), "options", WorkerOptions(entrypoint_fnc=entrypoint, prewarm_fnc=prewarm))
    agent = load_hooks(f"{__name__}:options")
    assert (agent.entrypoint, agent.prewarm) == (entrypoint, prewarm)


def test_an_agent_server_without_a_session_is_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "server", AgentServer())
    with pytest.raises(AgentNotFound, match=r"has no @server.rtc_session"):
        load_hooks(f"{__name__}:server")
