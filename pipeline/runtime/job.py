"""The job that livekit-agents runs for a call: the room, checked on the server; the agent's consent; and the token.

It has a client of the server API of its own: one handed in from outside would need a protocol, and bring errors to
translate, for three requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from livekit import api
from livekit.agents import JobRequest
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.agents.types import ATTRIBUTE_AGENT_NAME
from livekit.protocol import agent as agent_proto
from livekit.protocol import models

from pipeline.errors import RequestHookCrashed, RoomGone, RoomUnreachable
from pipeline.options import CallOptions
from pipeline.presence import is_caller
from pipeline.runtime.agent_hooks import AgentHooks

ROOM_CHECK_SECONDS = 5.0
TOKEN_SLACK_SECONDS = 300.0


def room_stub(options: CallOptions) -> models.Room:
    """Return as much of the room as is known without asking the server."""
    return models.Room(sid=options.room_sid, name=options.room_name)


async def build_job(options: CallOptions, agent: AgentHooks, room: models.Room) -> RunningJobInfo | None:
    """Build the job. Returns None if the agent's request hook rejected it. Raises RequestHookCrashed."""
    job = _job_message(options, agent, room)
    accepted = await _request(agent, job)
    if accepted is None:
        return None
    now = time.time()
    return RunningJobInfo(
        accept_arguments=JobAcceptArguments(
            name=accepted.name, identity=options.identity, metadata=accepted.metadata, attributes=accepted.attributes
        ),
        job=job,
        url=options.livekit_url,
        token=_token(options, agent, accepted),
        worker_id=options.worker,
        fake_job=False,
        received_at=now,
        accepted_at=now,
        assigned_at=now,
        launched_at=now,
    )


async def still_ours(options: CallOptions) -> bool:
    """Tell whether the server has this very room, without a later attempt's agent in it. Raises RoomUnreachable."""
    async with _server(options) as server:
        try:
            await _find(server, options)
        except RoomGone:
            return False
        listed = await server.room.list_participants(api.ListParticipantsRequest(room=options.room_name))
    return not any(options.is_successor(person.identity) for person in listed.participants)


async def room_made_by_joining(options: CallOptions) -> str:
    """Return the sid of the room that the server has instead of this one, if nobody calls in it; else ''.

    Who joins a room that is gone makes a new one of the same name, and so does the client when it reconnects. Raises
    RoomUnreachable.
    """
    async with _server(options) as server:
        found = await server.room.list_rooms(api.ListRoomsRequest(names=[options.room_name]))
        made = next((room.sid for room in found.rooms if room.sid != options.room_sid), "")
        if not made:
            return ""
        listed = await server.room.list_participants(api.ListParticipantsRequest(room=options.room_name))
    return "" if any(is_caller(person) for person in listed.participants) else made


async def caller_listened(options: CallOptions) -> bool:
    """Tell whether the first who listened to the agent was a caller, who may have left again. Raises RoomUnreachable.

    A recorder listens too, but does not leave at once: where one is listed and no caller, it was that one.
    """
    async with _server(options) as server:
        listed = await server.room.list_participants(api.ListParticipantsRequest(room=options.room_name))
    people = [person for person in listed.participants if person.kind != models.ParticipantInfo.Kind.AGENT]
    return not people or any(is_caller(person) for person in people)


async def fetch_room(options: CallOptions) -> models.Room:
    """Return the room as the server has it, and remove the agents of earlier attempts from it.

    Joining a room that is gone would make a new one of the same name.

    Raises RoomGone if it no longer exists, and RoomUnreachable if the LiveKit server does not answer.
    """
    async with _server(options) as server:
        room = await _find(server, options)
        if options.attempt > 1:
            await _remove_predecessors(server, options)
    return room


@asynccontextmanager
async def _server(options: CallOptions) -> AsyncIterator[api.LiveKitAPI]:
    """Open a client of the server API, with one deadline for all its requests. Raises RoomUnreachable."""
    secret = options.livekit_api_secret.reveal()
    try:
        # A timeout of the client's session would have no effect: each request overrides it with none.
        async with (
            asyncio.timeout(ROOM_CHECK_SECONDS),
            api.LiveKitAPI(options.livekit_url, options.livekit_api_key, secret) as server,
        ):
            yield server
    except (aiohttp.ClientError, api.TwirpError, TimeoutError, OSError) as error:
        raise RoomUnreachable(error=f"{type(error).__name__}: {error}") from error


async def _find(server: api.LiveKitAPI, options: CallOptions) -> models.Room:
    found = await server.room.list_rooms(api.ListRoomsRequest(names=[options.room_name]))
    for room in found.rooms:
        if room.sid == options.room_sid:
            room.ClearField("turn_password")
            return room
    raise RoomGone(sid=options.room_sid)


async def _remove_predecessors(server: api.LiveKitAPI, options: CallOptions) -> None:
    # The server lists the agent of a killed process for another 10 to 15 s.
    listed = await server.room.list_participants(api.ListParticipantsRequest(room=options.room_name))
    for person in listed.participants:
        if person.identity in options.predecessors:
            with contextlib.suppress(api.TwirpError):
                removal = api.RoomParticipantIdentity(room=options.room_name, identity=person.identity)
                await server.room.remove_participant(removal)


def _job_message(options: CallOptions, agent: AgentHooks, room: models.Room) -> agent_proto.Job:
    return agent_proto.Job(
        id=f"{options.room_sid}:{options.attempt}",
        type=agent_proto.JobType.JT_ROOM,
        room=room,
        metadata=options.agent_metadata,
        agent_name=agent.agent_name,
        enable_recording=bool(options.record.parts),
        enable_redaction=options.record.redaction,
        state=agent_proto.JobState(status=agent_proto.JobStatus.JS_RUNNING, participant_identity=options.identity),
    )


async def _request(agent: AgentHooks, job: agent_proto.Job) -> JobAcceptArguments | None:
    accepted: JobAcceptArguments | None = None

    async def accept(arguments: JobAcceptArguments) -> None:
        nonlocal accepted
        accepted = arguments

    async def reject(terminate: bool) -> None:  # noqa: FBT001 - livekit-agents calls it so
        del terminate

    try:
        await agent.request(JobRequest(job=job, on_reject=reject, on_accept=accept))
    except Exception as error:
        raise RequestHookCrashed(error=f"{type(error).__name__}: {error}") from error
    return accepted


def _token(options: CallOptions, agent: AgentHooks, accepted: JobAcceptArguments) -> str:
    # Without `agent` and the kind, the server would count it as a caller and keep the room open.
    allowed = agent.permissions
    grants = api.VideoGrants(
        room_join=True,
        room=options.room_name,
        agent=True,
        can_publish=allowed.can_publish,
        can_subscribe=allowed.can_subscribe,
        can_publish_data=allowed.can_publish_data,
        can_update_own_metadata=allowed.can_update_metadata,
        can_publish_sources=[models.TrackSource.Name(source).lower() for source in allowed.can_publish_sources],
        hidden=allowed.hidden,
    )
    return (
        api.AccessToken(options.livekit_api_key, options.livekit_api_secret.reveal())
        .with_kind("agent")
        # Not the agent's choice: it carries the attempt.
        .with_identity(options.identity)
        .with_name(accepted.name)
        .with_metadata(accepted.metadata)
        .with_attributes({ATTRIBUTE_AGENT_NAME: agent.agent_name} | (accepted.attributes or {}))
        .with_grants(grants)
        .with_ttl(dt.timedelta(seconds=options.limits.length_seconds + TOKEN_SLACK_SECONDS))
        .to_jwt()
    )
