"""The options of AgentServer: each is obeyed, or named when it was set and has no effect."""

from __future__ import annotations

import inspect
from typing import Any

import jwt
import pytest
from livekit.agents import AgentServer, JobContext
from livekit.agents.job import JobAcceptArguments
from livekit.agents.worker import ServerOptions, WorkerPermissions
from livekit.protocol import models

from pipeline.options import CallOptions, ProviderOptions, Secret, VoiceAgentOptions
from pipeline.runtime.agent_hooks import AgentHooks
from pipeline.runtime.job import build_job
from pipeline.runtime.server_options import OBEYED, WITHOUT_EFFECT, without_effect

SECRET = "a-secret-that-is-long-enough-for-hs256"
OTHER: dict[str, Any] = {
    "job_executor_type": "thread",
    "load_fnc": lambda: 0.5,
    "num_idle_processes": 77,
    "ws_url": "wss://elsewhere",
    "log_level": "ERROR",
    "multiprocessing_context": "spawn",
    "preload_modules": ["json"],
}


async def entrypoint(ctx: JobContext) -> None: ...


def test_each_option_is_obeyed_or_named() -> None:
    options = set(inspect.signature(AgentServer.__init__).parameters) - {"self"}
    assert options == OBEYED | WITHOUT_EFFECT.keys()


@pytest.mark.parametrize("option", WITHOUT_EFFECT)
def test_an_option_without_effect_is_named_when_it_was_set(option: str) -> None:
    server = AgentServer(**{option: OTHER.get(option, 123)})
    assert without_effect(server) == (f"{option} ({WITHOUT_EFFECT[option]})",)


def test_nothing_is_named_of_a_server_with_defaults() -> None:
    assert without_effect(AgentServer()) == ()
    assert without_effect(AgentServer.from_server_options(ServerOptions(entrypoint_fnc=entrypoint))) == ()
    assert without_effect(AgentServer(job_memory_limit_mb=500, permissions=WorkerPermissions(hidden=True))) == ()


def test_of_the_older_options_the_same_are_named() -> None:
    options = ServerOptions(entrypoint_fnc=entrypoint, num_idle_processes=9, drain_timeout=7)
    found = without_effect(AgentServer.from_server_options(options))
    assert [name.partition(" ")[0] for name in found] == ["drain_timeout", "num_idle_processes"]


async def test_the_permissions_of_the_server_are_those_of_its_token() -> None:
    permissions = WorkerPermissions(
        can_publish_data=False, can_publish_sources=[models.TrackSource.MICROPHONE], hidden=True
    )
    agent = AgentHooks("theirs:server", entrypoint, permissions=permissions)
    local = ProviderOptions(name="local")
    options = CallOptions(
        room_sid="RM_1",
        room_name="call-acme-1",
        attempt=1,
        livekit_url="ws://127.0.0.1:1",
        livekit_api_key="key",
        livekit_api_secret=Secret(SECRET),
        worker="one@here",
        agent_metadata="",
        voice=VoiceAgentOptions(stt=local, llm=local, tts=local),
    )
    job = await build_job(options, agent, models.Room(sid="RM_1", name="call-acme-1"))
    assert job is not None
    grants = jwt.decode(job.token, SECRET, algorithms=["HS256"], options={"verify_aud": False})["video"]
    assert (grants["canPublish"], grants["canPublishData"], grants["hidden"]) == (True, False, True)
    assert grants["canPublishSources"] == ["microphone"]
    assert isinstance(job.accept_arguments, JobAcceptArguments)
