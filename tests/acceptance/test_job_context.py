"""What livekit-agents' JobContext offers is there in a call of ours."""

from __future__ import annotations

import json
from pathlib import Path

from livekit.protocol.models import ParticipantInfo

from ops.stack import WorkerSpec
from tasks.rooms import State
from tests.acceptance.installation import Installation

TENANT = """
[tenants.thorough]
tier = "thorough"
agent = "thorough_agent:server"
agent_metadata = '{"plan": "gold"}'
"""


async def test_an_agent_finds_all_of_its_job_context(running: Installation, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with running.more_tenants(TENANT):
        worker = await running.stack.add_worker(WorkerSpec("thorough", ("thorough",), env={"NOTES": str(notes)}))
        try:
            async with running.call("thorough") as caller:
                room = await running.reaches(caller.room_sid, State.ENDED)
        finally:
            await worker.stop()
    identity = f"agent-{room.sid}-1"
    assert json.loads(notes.read_text()) == {
        "metadata": '{"plan": "gold"}',
        "agent_name": "thorough",
        "participant entrypoint": "caller",
        "caller": "caller",
        "same process as prewarm": True,
        "name": "Reception",
        "department": "front desk",
        "identity": identity,
        "token": identity,
        "kind": ParticipantInfo.Kind.AGENT,
        "inference": "HELLO",
        "inference in another process": True,
    }
