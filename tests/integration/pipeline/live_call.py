"""A call in a room of a real LiveKit server, in this process, and the people in the room."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from livekit import api, rtc
from livekit.agents import AgentSession, JobContext

from ops.caller.caller import Caller
from ops.stack.livekit import LiveKitServer
from pipeline.call import Call
from pipeline.conversation import Conversation
from pipeline.options import (
    CallLimits,
    CallOptions,
    ProviderOptions,
    RecordOptions,
    Secret,
    TurnOptions,
    VadOptions,
    VoiceAgentOptions,
)
from pipeline.outcome import CallOutcome, End
from pipeline.phase import Phase
from pipeline.providers import build_llm, build_stt, build_tts
from pipeline.runtime.agent_hooks import AgentHooks
from pipeline.runtime.job_runner import JobRunner
from pipeline.voice_agent.session import build_turn_handling, build_vad
from tests.acceptance.speech import utterance
from tests.support.waiting import until

Kind = Literal["standard", "egress", "sip", "agent"]
SECONDS = 20.0
LOCAL = ProviderOptions("local")
REPEAT_SECONDS = 3.0
NOTHING = RecordOptions()
NAME_OF = "my name is {}"


def starter_session(**options: Any) -> AgentSession[None]:
    """Return a session with the local providers, and livekit-agents' defaults but for these options."""
    defaults: dict[str, Any] = {
        "stt": build_stt(LOCAL),
        "llm": build_llm(LOCAL),
        "tts": build_tts(LOCAL),
        "vad": build_vad(VadOptions()),
        "turn_handling": build_turn_handling(TurnOptions(detection="vad")),
    }
    return AgentSession(**defaults | options)


class Person(Caller):
    """Somebody in the room."""

    async def publish_microphone(self) -> None:
        """Switch the microphone on."""
        await self._microphone.publish(self.room.local_participant)


class Mute(Person):
    """Somebody in the room whose microphone is off."""

    async def _connect(self, url: str, token: str) -> None:
        await self.room.connect(url, token)


@dataclass
class LiveCall:
    """A call of an agent's. `ends`: what it has told of its end. `conversation`: the last one that it has told.

    `usage`, `turns`: the last ones that it has told.
    """

    livekit: LiveKitServer
    options: CallOptions
    call: Call
    phases: list[Phase]
    steps: list[str]
    ends: list[End]
    conversation: str = ""
    usage: list[dict[str, Any]] = field(default_factory=list)
    turns: dict[str, Any] = field(default_factory=dict)
    running: asyncio.Task[CallOutcome] = field(init=False)

    def person(
        self, identity: str, *, kind: Kind = "standard", microphone: bool = True, **grants: Any
    ) -> AbstractAsyncContextManager[Person]:
        """Return somebody in the room, from when the context is entered, with the microphone on or not."""
        token = (
            api.AccessToken(self.livekit.api_key, self.livekit.api_secret)
            .with_identity(identity)
            .with_kind(kind)
            .with_grants(api.VideoGrants(room_join=True, room=self.options.room_name, **grants))
            .to_jwt()
        )
        return (Person if microphone else Mute).call(self.livekit.url, token)

    async def hears(self, caller: Caller, name: str) -> None:
        """Have the caller say a name, again and again until it is part of the conversation: the agent may be late."""

        async def repeat() -> None:
            while True:
                await caller.say(utterance(NAME_OF.format(name)))
                await asyncio.sleep(REPEAT_SECONDS)

        saying = asyncio.create_task(repeat())
        try:
            await self.tells(lambda: NAME_OF.format(name) in self.conversation)
        finally:
            saying.cancel()

    async def sees(self, identity: str) -> None:
        """Wait until the agent sees somebody in the room. LiveKit announces a participant some time after it joined."""
        await self.tells(lambda: self.room is not None and identity in self.room.remote_participants)

    async def listens_to(self, identity: str) -> None:
        """Wait until the agent's session is there and has somebody's audio: it misses what is said before."""
        await self.sees(identity)

        def listens() -> bool:
            assert self.room is not None
            participant = self.room.remote_participants.get(identity)
            tracks = [] if participant is None else [each.track for each in participant.track_publications.values()]
            session = self.call._runner.session
            return any(tracks) and session is not None and session.agent_state == "listening"

        await self.tells(listens)

    @property
    def room(self) -> rtc.Room | None:
        """The room as the agent sees it."""
        context = self.call._runner.context
        return context.room if context else None

    async def greets(self, caller: Caller) -> None:
        """Wait until the caller has heard the agent."""
        await caller.listener.wait_for_sound(0, SECONDS)

    async def tells(self, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait until a condition holds. Fails early when the call has ended."""

        async def holds() -> bool:
            return condition()

        try:
            await until(holds, seconds)
        except TimeoutError:
            raise AssertionError(f"{self.phases} {self.steps} {self.ends} {self.conversation}") from None

    async def end(self, seconds: float = SECONDS) -> End:
        """Return how the call has ended, once it has."""
        done, _ = await asyncio.wait({self.running}, timeout=seconds)
        assert done, f"after {seconds} s the call runs: {self.phases} {self.steps}"
        return self.running.exception() or self.running.result()  # type: ignore[return-value]


async def _accept(request: Any) -> None:
    await request.accept()


@asynccontextmanager
async def calling(
    livekit: LiveKitServer,
    entrypoint: Callable[[JobContext], Awaitable[None]],
    *,
    attempt: int = 1,
    request: Callable[[Any], Awaitable[None]] = _accept,
    departure_seconds: int | None = None,
    record: RecordOptions = NOTHING,
    url: str | None = None,
    **limits: float,
) -> AsyncIterator[LiveCall]:
    """Call an agent into a new room."""
    name = f"call-acme-{uuid.uuid4().hex[:8]}"
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        made = await server.room.create_room(api.CreateRoomRequest(name=name, departure_timeout=departure_seconds))
    options = CallOptions(
        room_sid=made.sid,
        room_name=name,
        attempt=attempt,
        livekit_url=url or livekit.url,
        livekit_api_key=livekit.api_key,
        livekit_api_secret=Secret(livekit.api_secret),
        worker="worker",
        agent_metadata="",
        voice=VoiceAgentOptions(stt=LOCAL, llm=LOCAL, tts=LOCAL, turn=TurnOptions(detection="vad")),
        limits=CallLimits(**limits),
        record=record,
    )
    runner = JobRunner(AgentHooks(path="test:agent", entrypoint=entrypoint, request=request))
    runner.prewarm()

    phases: list[Phase] = []
    steps: list[str] = []
    ends: list[End] = []

    def keep(conversation: str) -> None:
        live.conversation = conversation

    def measure(usage: str, turns: str) -> None:
        live.usage, live.turns = json.loads(usage), json.loads(turns)

    call = Call(
        options,
        runner,
        Conversation(),
        on_step=steps.append,
        on_conversation=keep,
        on_metrics=measure,
        on_phase=phases.append,
        on_over=ends.append,
    )
    live = LiveCall(livekit, options, call, phases, steps, ends)
    with pytest.MonkeyPatch.context() as environment:
        # As in a worker's child: `ctx.api` reads them.
        environment.setenv("LIVEKIT_URL", livekit.url)
        environment.setenv("LIVEKIT_API_KEY", livekit.api_key)
        environment.setenv("LIVEKIT_API_SECRET", livekit.api_secret)
        live.running = asyncio.create_task(call.run())
        try:
            yield live
        finally:
            if not live.running.done():
                call.hang_up("the test is over")
            with suppress(Exception):
                await asyncio.wait_for(live.running, SECONDS)
