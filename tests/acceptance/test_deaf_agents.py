"""An agent that is in the room, speaks, and hears nobody, makes way for one that hears."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from ops.stack import WorkerSpec
from ops.stack.ports import HOST
from tasks.rooms import Room, State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance
from tests.support.switch import Switch

PAUSE_SECONDS = 1.5
ATTEMPTS_OF_THE_CLIENT = 2
"""Connections that livekit's client opens before it says that it has failed to connect, and tries again."""

REQUEST_OF_THE_CLIENT = b"GET /rtc"
"""How they begin. The worker itself asks the server, too, by POST: which rooms there are, where the agent is."""


def in_a_fresh_process(room: Room) -> bool:
    return room.attempt == 2 and "published" in room.steps_ms


async def test_a_caller_is_heard_although_the_agents_first_connection_to_livekit_has_failed(
    running: Installation,
) -> None:
    livekit = urlsplit(running.stack.livekit.url).port
    assert livekit is not None
    async with Switch.serve(livekit) as switch:
        env = {"LIVEKIT_URL": f"ws://{HOST}:{switch.port}"}
        worker = await running.stack.add_worker(WorkerSpec("far", ("short",), env=env))
        try:
            switch.refuse, switch.refused = ATTEMPTS_OF_THE_CLIENT, REQUEST_OF_THE_CLIENT
            async with running.call("brief") as caller:
                # Until the agent has noticed that it hears nobody, this caller speaks in vain.
                while (room := await running.rooms.get(caller.room_sid)) is None or not in_a_fresh_process(room):
                    await caller.say(utterance("my name is mary"))
                    # Who never pauses gets no answer from any agent.
                    await asyncio.sleep(PAUSE_SECONDS)
                    assert caller.clock.now() < ANSWER_SECONDS, str(room)
                await caller.listener.wait_for_sound(0, ANSWER_SECONDS)
                await caller.listener.wait_for_silence(1, ANSWER_SECONDS)
                said = await caller.say(utterance("my name is mary"))
                await caller.wait_for_answer(said.end, quiet_seconds=1, timeout_seconds=ANSWER_SECONDS)
            await running.reaches(room.sid, State.ENDED)
        finally:
            await worker.stop()
