"""The ends of a call, each brought about as it happens: the table of `pipeline.room_watch`."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from livekit import api, rtc
from livekit.agents import Agent, APIConnectOptions, CloseEvent, JobContext, JobRequest
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.plugins import openai

from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST
from pipeline import voice_agent
from pipeline.errors import (
    AgentCrashed,
    AgentNeverJoined,
    AgentWithdrawn,
    AudioNotPublished,
    LiveKitLost,
    RequestHookCrashed,
    SessionFailed,
)
from pipeline.outcome import CallOutcome, EndedBy
from pipeline.phase import Phase
from tests.integration.pipeline.live_call import SECONDS, LiveCall, calling, starter_session
from tests.support.switch import Switch
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEVER = 60.0
SOON = 1.0


async def silent(ctx: JobContext) -> None:
    """An agent without a session."""
    await ctx.connect()


def server_api(livekit: LiveKitServer) -> api.LiveKitAPI:
    return api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret)


async def ended(call: LiveCall, by: EndedBy, reason: str) -> None:
    end = await call.end()
    assert isinstance(end, CallOutcome), end
    assert (end.ended_by, end.reason) == (by, reason)


async def test_all_phases_are_told_and_the_end_before_the_callbacks_have_run(livekit: LiveKitServer) -> None:
    go_on, waiting = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        waiting.set()
        await go_on.wait()

    async def agent(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(hang)
        await ctx.connect()

    async with calling(livekit, agent, empty_grace_seconds=0.1) as call:
        async with call.person("caller"):
            await call.sees("caller")
        await asyncio.wait_for(waiting.wait(), SECONDS)
        assert call.phases == [Phase.REQUESTING, Phase.CONNECTING, Phase.RUNNING, Phase.ENDING]
        assert call.ends == [CallOutcome("room empty", EndedBy.CALLERS)]
        assert call.call.outcome_so_far() == call.ends[0]
        assert not call.running.done()
        go_on.set()
        await ended(call, EndedBy.CALLERS, "room empty")


async def test_an_agent_that_shuts_down_while_a_caller_is_there_has_ended_the_call(livekit: LiveKitServer) -> None:
    async def agent(ctx: JobContext) -> None:
        await ctx.connect()
        await ctx.wait_for_participant()
        ctx.shutdown("a colleague takes over")

    async with calling(livekit, agent) as call, call.person("caller"):
        await ended(call, EndedBy.AGENT, "a colleague takes over")


async def test_our_agent_is_not_silent_for_ever_when_its_audio_cannot_be_published(
    livekit: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise rtc.participant.PublishTrackError("engine: timeout")

    monkeypatch.setattr(rtc.LocalTrackPublication, "wait_for_subscription", refuse)
    async with calling(livekit, voice_agent.entrypoint) as call, call.person("caller"):
        end = await call.end()
    assert isinstance(end, AudioNotPublished)
    assert str(end) == "The agent's audio could not be published in the room: PublishTrackError: engine: timeout."
    assert (end.retryable, end.counted) == (True, True)


@pytest.mark.parametrize("leave", ["shutdown", "disconnect"])
async def test_an_agent_that_goes_because_its_caller_has_left_has_not_ended_the_call(
    livekit: LiveKitServer, leave: str
) -> None:
    async def agent(ctx: JobContext) -> None:
        await ctx.connect()
        left = asyncio.Event()
        ctx.room.on("participant_disconnected", lambda _: left.set())
        await left.wait()
        if leave == "shutdown":
            ctx.shutdown("the caller has left")
        else:
            await ctx.room.disconnect()

    async with calling(livekit, agent, empty_grace_seconds=NEVER) as call:
        async with call.person("caller"):
            await call.sees("caller")
        reason = "the caller has left" if leave == "shutdown" else "the agent left the room"
        await ended(call, EndedBy.CALLERS, reason)


async def test_an_agent_that_leaves_the_room_while_a_caller_is_there_has_ended_the_call(
    livekit: LiveKitServer,
) -> None:
    async def agent(ctx: JobContext) -> None:
        await ctx.connect()
        await ctx.wait_for_participant()
        await ctx.room.disconnect()

    async with calling(livekit, agent) as call, call.person("caller"):
        await ended(call, EndedBy.AGENT, "the agent left the room")


async def test_an_agent_that_is_removed_from_the_room_is_not_wanted_back(livekit: LiveKitServer) -> None:
    async with calling(livekit, silent) as call, call.person("caller"), server_api(livekit) as server:
        await call.tells(lambda: "joined" in call.steps)
        options = call.options
        removal = api.RoomParticipantIdentity(room=options.room_name, identity=options.identity)
        await server.room.remove_participant(removal)
        await ended(call, EndedBy.AGENT, "the agent was removed from the room")


async def test_another_run_of_the_same_attempt_has_the_room(livekit: LiveKitServer) -> None:
    async with calling(livekit, silent) as call:
        await call.tells(lambda: "joined" in call.steps)
        async with call.person(call.options.identity, kind="agent"):
            end = await call.end()
    assert isinstance(end, AgentWithdrawn)
    assert (end.retryable, end.counted) == (True, False)


async def test_a_room_that_is_deleted_is_finished(livekit: LiveKitServer) -> None:
    async with calling(livekit, silent) as call, call.person("caller"), server_api(livekit) as server:
        await call.tells(lambda: "joined" in call.steps)
        await server.room.delete_room(api.DeleteRoomRequest(room=call.options.room_name))
        end = await call.end()
    assert isinstance(end, CallOutcome), end
    # Now and then the server closes the connection before it has said why, and the agent looks for the room then.
    assert (end.ended_by, end.reason in {"room finished", "room gone"}) == (EndedBy.CALLERS, True), end


@pytest.mark.parametrize("with_a_caller", [False, True])
async def test_a_room_that_the_agent_has_made_by_joining_is_told_of_unless_somebody_calls_in_it(
    livekit: LiveKitServer, *, with_a_caller: bool
) -> None:
    async with AsyncExitStack() as people, server_api(livekit) as server:

        async def deleted_meanwhile(request: JobRequest) -> None:
            await server.room.delete_room(api.DeleteRoomRequest(room=request.room.name))
            if with_a_caller:
                await people.enter_async_context(call.person("caller"))
            await request.accept()

        async with calling(livekit, silent, request=deleted_meanwhile) as call:
            end = await call.end()
        found = await server.room.list_rooms(api.ListRoomsRequest(names=[call.options.room_name]))
    made = found.rooms[0].sid
    assert made != call.options.room_sid
    assert end == CallOutcome("room gone", EndedBy.CALLERS, "" if with_a_caller else made)


async def test_a_room_that_the_server_closes_behind_its_last_caller_is_finished(livekit: LiveKitServer) -> None:
    async with calling(livekit, silent, departure_seconds=1, empty_grace_seconds=NEVER) as call:
        async with call.person("caller"):
            await call.sees("caller")
        await ended(call, EndedBy.CALLERS, "room finished")


async def test_an_agent_that_has_to_leave_while_it_connects_does_not_join_afterwards(livekit: LiveKitServer) -> None:
    joined = asyncio.Event()

    async def agent(ctx: JobContext) -> None:
        await ctx.connect()
        joined.set()

    port = urlsplit(livekit.url).port
    assert port is not None
    async with Switch.serve(port) as switch, server_api(livekit) as server:
        # The client's first try to connect, after which it makes a pause and tries again.
        switch.refuse, switch.refused = 2, b"GET /rtc"

        async def has_failed() -> bool:
            return switch.refuse == 0

        async with calling(livekit, agent, url=f"ws://{HOST}:{switch.port}") as call:
            await until(has_failed)
            await call.call.leave("lease lost")
            end = await call.end()
            room = api.ListParticipantsRequest(room=call.options.room_name)
            assert list((await server.room.list_participants(room)).participants) == []
    assert isinstance(end, AgentWithdrawn)
    assert not joined.is_set()


async def test_a_supervisor_whom_nobody_sees_keeps_no_call_alive(livekit: LiveKitServer) -> None:
    async with (
        calling(livekit, silent, join_seconds=SOON) as call,
        call.person("supervisor", hidden=True),
    ):
        await ended(call, EndedBy.CALLERS, "nobody came")


async def test_a_call_that_is_too_long_is_ended_by_its_limit(livekit: LiveKitServer) -> None:
    async with calling(livekit, silent, length_seconds=SOON) as call, call.person("caller"):
        await ended(call, EndedBy.LIMIT, "maximum length")


async def test_a_request_that_the_agent_rejects_is_ended_by_it(livekit: LiveKitServer) -> None:
    async def reject(request: Any) -> None:
        await request.reject()

    async with calling(livekit, silent, request=reject) as call:
        await ended(call, EndedBy.AGENT, "rejected by the agent")
        assert call.phases == [Phase.REQUESTING, Phase.ENDING]


async def test_an_agent_that_raises_has_crashed(livekit: LiveKitServer) -> None:
    async def agent(ctx: JobContext) -> None:
        await ctx.connect()
        message = "a bug"
        raise ValueError(message)

    async def request(_: object) -> None:
        raise ZeroDivisionError

    async with calling(livekit, agent) as call:
        end = await call.end()
        assert isinstance(end, AgentCrashed)
        assert str(end) == "The agent's entrypoint raised ValueError: a bug."
        assert (end.retryable, end.counted) == (True, True)
        assert call.ends == [end]
    async with calling(livekit, silent, request=request) as call:
        end = await call.end()
    assert isinstance(end, RequestHookCrashed)
    assert end.retryable


async def test_an_agent_that_never_joins_has_failed(livekit: LiveKitServer) -> None:
    async def agent(_: JobContext) -> None:
        """Forget to connect."""

    async with calling(livekit, agent, join_seconds=SOON) as call:
        end = await call.end()
    assert isinstance(end, AgentNeverJoined)
    assert end.retryable


async def failing(ctx: JobContext) -> None:
    """An agent whose session closes by the first error of its LLM, and then shuts down as many do."""
    session = starter_session(
        llm=openai.LLM(model="any", base_url="http://127.0.0.1:1", api_key="any"),
        conn_options=SessionConnectOptions(llm_conn_options=APIConnectOptions(max_retry=0), max_unrecoverable_errors=0),
    )
    session.on("close", lambda _: ctx.shutdown("the session has closed"))
    await session.start(agent=Agent(instructions="Be brief."), room=ctx.room)
    await ctx.wait_for_participant()
    session.generate_reply(user_input="Are you there?")


async def test_a_session_that_closes_with_an_error_has_failed_though_the_agent_shuts_down(
    livekit: LiveKitServer,
) -> None:
    async with calling(livekit, failing) as call, call.person("caller"):
        end = await call.end()
    assert isinstance(end, SessionFailed)
    assert "llm error: " in str(end)
    assert (end.retryable, end.counted) == (True, True)


async def test_an_agent_that_shuts_down_when_its_callers_session_has_closed_has_not_ended_the_call(
    livekit: LiveKitServer,
) -> None:
    async def agent(ctx: JobContext) -> None:
        session = starter_session()
        session.on("close", lambda _: ctx.shutdown())
        await session.start(agent=Agent(instructions="Be brief."), room=ctx.room)
        session.say("Hello.")

    async with calling(livekit, agent, empty_grace_seconds=NEVER) as call:
        async with call.person("caller") as caller:
            await call.greets(caller)
        end = await call.end()
    assert isinstance(end, CallOutcome)
    assert end.ended_by is EndedBy.CALLERS


async def test_an_agent_that_has_closed_its_session_itself_has_ended_the_call(livekit: LiveKitServer) -> None:
    closed: list[CloseEvent] = []

    async def agent(ctx: JobContext) -> None:
        session = starter_session()
        session.on("close", closed.append)
        await session.start(agent=Agent(instructions="Be brief."), room=ctx.room)
        await ctx.wait_for_participant()
        await session.aclose()

    async with calling(livekit, agent, empty_grace_seconds=0.1) as call:
        async with call.person("caller"):
            await call.tells(lambda: bool(closed))
            assert call.ends == []
        await ended(call, EndedBy.AGENT, "room empty")


async def test_an_agent_that_has_begun_another_session_goes_on(livekit: LiveKitServer) -> None:
    async def agent(ctx: JobContext) -> None:
        first, second = starter_session(), starter_session()
        await first.start(agent=Agent(instructions="Be brief."), room=ctx.room)
        await ctx.wait_for_participant()
        await first.aclose()
        await second.start(agent=Agent(instructions="Be brief."), room=ctx.room)
        second.say("Hello.")

    async with calling(livekit, agent, empty_grace_seconds=0.1) as call:
        async with call.person("caller") as caller:
            await call.greets(caller)
        end = await call.end()
    assert isinstance(end, CallOutcome)
    assert end.ended_by is EndedBy.CALLERS


async def test_a_server_that_no_packet_comes_from_is_lost_and_left_within_bounds(livekit: LiveKitServer) -> None:
    async with calling(livekit, silent, livekit_away_seconds=3) as call, call.person("caller"):
        await call.sees("caller")
        assert livekit.pid is not None
        os.kill(livekit.pid, signal.SIGSTOP)
        try:
            await call.tells(lambda: bool(call.ends), 10)
            end = await call.end(10)
        finally:
            os.kill(livekit.pid, signal.SIGCONT)
    assert isinstance(end, LiveKitLost)
    assert (end.retryable, end.counted) == (True, False)


async def test_neither_silence_nor_an_event_loop_that_stands_still_is_taken_for_a_lost_server(
    livekit: LiveKitServer,
) -> None:
    done = asyncio.Event()

    async def agent(ctx: JobContext) -> None:
        await ctx.connect()
        await ctx.wait_for_participant()
        time.sleep(5)  # noqa: ASYNC251 - as function tools do
        done.set()

    async with (
        calling(livekit, silent, livekit_away_seconds=4, join_seconds=7) as quiet,
        calling(livekit, agent, livekit_away_seconds=4) as call,
        call.person("caller"),
    ):
        await asyncio.wait_for(done.wait(), SECONDS)
        await ended(quiet, EndedBy.CALLERS, "nobody came")
        # It has looked again since.
        assert call.ends == []
