"""The metrics of a call, of agents of several kinds in a real room."""

from __future__ import annotations

import pytest
from livekit.agents import Agent, ChatContext, ChatMessage, JobContext

from ops.caller.caller import Caller
from ops.stack.livekit import LiveKitServer
from tests.acceptance.speech import utterance
from tests.integration.pipeline.live_call import NAME_OF, SECONDS, LiveCall, calling, starter_session

pytestmark = pytest.mark.asyncio(loop_scope="module")
SLOWEST_MS = 10_000


async def talk(call: LiveCall, caller: Caller, turns: int) -> None:
    """Say something, until that has had so many replies."""
    while len(call.turns.get("replies_ms", [])) < turns:
        said = await caller.say(utterance(NAME_OF.format("john")))
        await caller.wait_for_answer(said.end, quiet_seconds=1.0, timeout_seconds=SECONDS)
        await call.tells(lambda: len(call.turns["replies_ms"]) > 0)


def used(call: LiveCall) -> dict[str, float]:
    """Return the usage of each type, in its own unit."""
    units = {"llm_usage": "output_tokens", "tts_usage": "characters_count", "stt_usage": "audio_duration"}
    return {entry["type"]: entry.get(units[entry["type"]], 0) for entry in call.usage if entry["type"] in units}


async def test_an_agent_with_a_language_model_and_started_twice(livekit: LiveKitServer) -> None:
    session = starter_session()

    async def agent(ctx: JobContext) -> None:
        await session.start(Agent(instructions=""), room=ctx.room)

    async with calling(livekit, agent) as call, call.person("caller") as caller:
        await call.listens_to("caller")
        await talk(call, caller, 1)
        assert call.turns["turns"] >= 1
        assert all(0 < ms < SLOWEST_MS for ms in call.turns["replies_ms"])
        before = used(call)
        assert before.keys() == {"llm_usage", "tts_usage", "stt_usage"}
        assert all(before.values())
        # livekit-agents counts from zero then.
        await session.aclose()
        assert call.room is not None
        await session.start(Agent(instructions=""), room=call.room)
        await session.say("welcome back")
        await call.tells(lambda: used(call)["tts_usage"] > before["tts_usage"])
        assert used(call)["llm_usage"] >= before["llm_usage"]


async def test_an_agent_that_says_its_answers_itself(livekit: LiveKitServer) -> None:
    class Parrot(Agent):
        async def on_user_turn_completed(self, _: ChatContext, new_message: ChatMessage) -> None:
            self.session.say(new_message.text_content or "pardon")

    async def agent(ctx: JobContext) -> None:
        await starter_session(llm=None).start(Parrot(instructions=""), room=ctx.room)

    async with calling(livekit, agent) as call, call.person("caller") as caller:
        await call.listens_to("caller")
        await talk(call, caller, 1)
        assert call.turns["turns"] == len(call.turns["replies_ms"])
        assert all(0 < ms < SLOWEST_MS for ms in call.turns["replies_ms"])
        assert used(call).keys() == {"tts_usage", "stt_usage"}
