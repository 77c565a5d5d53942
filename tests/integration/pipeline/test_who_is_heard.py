"""An agent hears whoever is there: it, or one that takes its place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, AutoSubscribe, JobContext, JobRequest

from ops.stack.livekit import LiveKitServer
from pipeline import voice_agent
from pipeline.agents import Entrypoint
from pipeline.errors import SessionClosed
from pipeline.runtime.subscriptions import MISSING_SECONDS, PAUSE_SECONDS
from tests.integration.pipeline.live_call import Kind, calling, starter_session

pytestmark = pytest.mark.asyncio(loop_scope="module")
KINDS: list[Kind] = ["standard", "sip"]


async def starter(ctx: JobContext) -> None:
    """The agent of livekit's starter."""
    session = starter_session()
    await session.start(agent=Agent(instructions="Be brief."), room=ctx.room)
    session.say("Hello.")


def without_first_track(entrypoint: Entrypoint) -> Entrypoint:
    """Return the agent, whose client drops the first track that it is sent."""

    async def agent(ctx: JobContext) -> None:
        room: Any = ctx.room
        take = room._on_room_event
        dropped: list[Any] = []

        def drop_first(event: Any) -> None:
            if event.WhichOneof("message") == "track_subscribed" and not dropped:
                dropped.append(event)
            else:
                take(event)

        room._on_room_event = drop_first
        await entrypoint(ctx)

    return agent


@pytest.mark.parametrize("kind", KINDS)
async def test_our_agent_hears_a_caller_who_comes_back_by_another_identity(livekit: LiveKitServer, kind: Kind) -> None:
    async with calling(livekit, voice_agent.entrypoint) as call:
        async with call.person("one", kind=kind) as caller:
            await call.greets(caller)
        async with call.person("two", kind=kind) as caller:
            await call.hears(caller, "mary")


async def test_our_agent_hears_the_other_caller_when_the_first_has_left(livekit: LiveKitServer) -> None:
    async with calling(livekit, voice_agent.entrypoint) as call:
        async with call.person("one") as one:
            await call.greets(one)
            other = call.person("two")
            two = await other.__aenter__()
            await call.sees("two")
        try:
            await call.hears(two, "mary")
        finally:
            await other.__aexit__(None, None, None)


async def test_our_agent_hears_a_caller_whose_microphone_is_switched_on_later(livekit: LiveKitServer) -> None:
    async with calling(livekit, voice_agent.entrypoint) as call:
        async with call.person("one") as caller:
            await call.greets(caller)
        async with call.person("two", microphone=False) as caller:
            await call.sees("two")
            await caller.publish_microphone()
            await call.hears(caller, "mary")


@pytest.mark.parametrize("agent", [voice_agent.entrypoint, starter])
async def test_a_caller_whose_browser_joins_again_before_it_has_left_is_heard(
    livekit: LiveKitServer, agent: Entrypoint
) -> None:
    async with calling(livekit, agent) as call, call.person("one") as caller:
        await call.greets(caller)
        # The server puts out the first one.
        async with call.person("one") as again:
            await call.hears(again, "mary")


@pytest.mark.parametrize("agent", [voice_agent.entrypoint, starter])
async def test_a_caller_whose_audio_is_announced_and_does_not_come_is_heard(
    livekit: LiveKitServer, agent: Entrypoint, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(livekit, without_first_track(agent)) as call, call.person("one") as caller:
        await call.hears(caller, "mary")
    assert caplog.text.count("subscribed to again") == 1


async def test_so_is_one_who_was_there_first(livekit: LiveKitServer, caplog: pytest.LogCaptureFixture) -> None:
    there = asyncio.Event()

    async def accept_later(request: JobRequest) -> None:
        await there.wait()
        await request.accept()

    agent = without_first_track(starter)
    async with calling(livekit, agent, request=accept_later) as call, call.person("one") as caller:
        there.set()
        await call.hears(caller, "mary")
    assert caplog.text.count("subscribed to again") == 1


async def test_an_agent_that_subscribes_itself_is_not_given_what_it_does_not_want(livekit: LiveKitServer) -> None:
    async def listens_to_nobody(ctx: JobContext) -> None:
        await ctx.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE)
        await starter(ctx)

    async with calling(livekit, listens_to_nobody) as call, call.person("one"):
        await call.sees("one")
        await asyncio.sleep(MISSING_SECONDS + PAUSE_SECONDS + 1)
        assert call.room is not None
        assert [
            publication.track for publication in call.room.remote_participants["one"].track_publications.values()
        ] == [None]


async def test_an_agent_whose_session_has_closed_with_its_caller_makes_way_when_one_is_there(
    livekit: LiveKitServer,
) -> None:
    async with calling(livekit, starter) as call:
        async with call.person("one") as caller:
            await call.greets(caller)
        async with call.person("one"):
            end = await call.end(3)
    assert isinstance(end, SessionClosed)
    assert (end.retryable, end.counted) == (True, False)


async def test_an_unmodified_agent_goes_on_with_the_caller_who_has_stayed(livekit: LiveKitServer) -> None:
    async with calling(livekit, starter) as call:
        async with call.person("one") as one:
            await call.greets(one)
            other = call.person("two")
            two = await other.__aenter__()
            await call.sees("two")
        try:
            await call.hears(two, "mary")
        finally:
            await other.__aexit__(None, None, None)
