"""An agent that rejects every request, so that its call ends at once, and without a LiveKit server."""

from __future__ import annotations

from livekit.agents import AgentServer, JobContext, JobRequest

from pipeline.agents import joins_early

server = AgentServer()


async def reject(request: JobRequest) -> None:
    await request.reject()


@joins_early
async def entrypoint(ctx: JobContext) -> None:
    raise NotImplementedError


server.rtc_session(entrypoint, on_request=reject)
