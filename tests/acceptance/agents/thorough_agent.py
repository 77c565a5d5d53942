"""An agent that uses what a JobContext offers, and notes what came of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from livekit import api, rtc
from livekit.agents import JobContext, JobProcess, JobRequest
from livekit.agents.inference_runner import _InferenceRunner
from livekit.agents.worker import AgentServer


class Upper(_InferenceRunner):
    """Stands where a turn detector's model stands: one for all calls of a worker, in a process of its own."""

    INFERENCE_METHOD = "upper"

    def initialize(self) -> None:
        self.pid = os.getpid()

    def run(self, data: bytes) -> bytes | None:
        return json.dumps({"pid": self.pid, "text": data.decode().upper()}).encode()


_InferenceRunner.register_runner(Upper)


def prewarm(proc: JobProcess) -> None:
    proc.userdata["warm"] = os.getpid()


server = AgentServer(setup_fnc=prewarm)


async def on_request(request: JobRequest) -> None:
    await request.accept(name="Reception", attributes={"department": "front desk"})


@server.rtc_session(agent_name="thorough", on_request=on_request)
async def entrypoint(ctx: JobContext) -> None:
    notes: dict[str, object] = {"metadata": ctx.job.metadata, "agent_name": ctx.job.agent_name}
    met = asyncio.Event()

    async def on_participant(_: JobContext, person: rtc.RemoteParticipant) -> None:
        notes["participant entrypoint"] = person.identity
        met.set()

    ctx.add_participant_entrypoint(on_participant)
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    await met.wait()
    listed = await ctx.api.room.list_participants(api.ListParticipantsRequest(room=ctx.room.name))
    me = next(person for person in listed.participants if person.identity == ctx.agent.identity)
    inferred = await ctx.inference_executor.do_inference("upper", b"hello")
    notes |= {
        "caller": caller.identity,
        "same process as prewarm": ctx.proc.userdata["warm"] == os.getpid(),
        "name": me.name,
        "department": me.attributes["department"],
        "identity": ctx.local_participant_identity,
        "token": ctx.token_claims().identity,
        "kind": me.kind,
        "inference": json.loads(inferred or b"{}")["text"],
        "inference in another process": json.loads(inferred or b"{}")["pid"] != os.getpid(),
    }
    Path(os.environ["NOTES"]).write_text(json.dumps(notes))  # noqa: ASYNC240 - a few bytes
    await ctx.delete_room()
