"""Twenty calls over three tiers, and the faults among them: a killed child, a killed worker, a drained one, a cap."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from ops.caller.caller import Caller
from ops.stack import WorkerSpec
from ops.stack.stack import WEBHOOK_PATH
from pipeline.options import Kind
from tasks.rooms import Room, State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import utterance
from tests.provider_emulators.server import Fault
from tests.provider_faults.emulators import QUESTION, tenant_providers

TIERS = "premium,standard,free"
PROMISES = "premium=10,standard=30,free=5"
DRAIN_SECONDS = "0.5"
TENANTS = """
[tenants.acme]
tier = "premium"
record = ["audio", "transcript"]

[tenants.bolt]
tier = "standard"
max_calls = 2

[tenants.coral]
tier = "free"
"""
WORKERS = (
    WorkerSpec("premium-1", ("premium",), slots=3),
    WorkerSpec("standard-1", ("standard",), env={"SWITCHBOARD_DRAIN_SECONDS": DRAIN_SECONDS}),
    WorkerSpec("free-1", ("free",)),
)
SECOND_STANDARD = WorkerSpec("standard-2", ("standard",))
SECOND_FREE = WorkerSpec("free-2", ("free",))
UNANSWERED_SECONDS = 80.0
"""The time in which a tier has no worker: its alerts fire after a minute."""

Say = Callable[[str], None]


class Calls:
    """The calls of a run. `questions`: how many callers have asked."""

    def __init__(self, installation: Installation, directory: Path, say: Say) -> None:
        self._installation = installation
        self._directory = directory
        self._say = say
        self.questions = 0

    async def make(self) -> None:
        """Make all of them, one part after the other."""
        parts: tuple[Callable[[], Awaitable[None]], ...] = (
            self._three_requests_that_are_refused,
            self._four_on_cloud_providers,
            self._one_with_a_fallback,
            self._one_whose_child_is_killed,
            self._five_over_a_cap,
            self._one_that_is_handed_over,
            self._three_with_a_refused_key,
            self._three_of_the_free_tier,
            self._two_while_the_tier_has_no_worker,
        )
        for part in parts:
            self._say(part.__name__.strip("_").replace("_", " "))
            await part()
        await self._installation.all_calls_over()

    async def _three_requests_that_are_refused(self) -> None:
        """They open no room: a webhook, a request for a call and one of Twilio's, none of them with its credentials."""
        origin = self._installation.stack.webhook_url.removesuffix(WEBHOOK_PATH)
        async with aiohttp.ClientSession() as session:
            for path in (WEBHOOK_PATH, "/calls", "/twilio/incoming"):
                async with session.post(f"{origin}{path}", json={}) as response:
                    assert not response.ok

    async def _four_on_cloud_providers(self) -> None:
        async with self._providers("cloud") as name:
            for _ in range(2):
                await asyncio.gather(self._answered(name), self._answered(name))

    async def _one_with_a_fallback(self) -> None:
        async with self._providers("fallback", Fault.BUSY, fallback=True) as name:
            await self._answered(name)

    async def _three_with_a_refused_key(self) -> None:
        async with self._providers("refused", Fault.REFUSED) as name:
            for _ in range(3):
                async with self._installation.call(name) as caller:
                    await _greeted(caller)
                    await caller.say(utterance(QUESTION))
                    await self._installation.reaches(caller.room_sid, State.DEAD)

    async def _one_whose_child_is_killed(self) -> None:
        async with self._installation.call("acme") as caller:
            await _greeted(caller)
            room = await self._installation.reaches(caller.room_sid, State.RUNNING)
            assert room.pid is not None
            os.kill(room.pid, signal.SIGKILL)
            await self._installation.reaches(room.sid, _taken_over)
        await self._installation.reaches(room.sid, State.ENDED)

    async def _five_over_a_cap(self) -> None:
        """Two run, two wait for a permit and get it, and one gives up before it has one."""
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            for _ in range(2):
                await _greeted(await first.enter_async_context(self._installation.call("bolt")))
            waiting = [await second.enter_async_context(self._installation.call("bolt")) for _ in range(2)]
            for caller in waiting:
                await self._installation.reaches(caller.room_sid, State.WAITING)
            async with self._installation.call("bolt") as caller:
                gave_up = await self._installation.reaches(caller.room_sid, State.WAITING)
            await self._installation.delete_room(gave_up.name)
            await self._installation.reaches(gave_up.sid, State.CANCELLED)
            await first.aclose()
            for caller in waiting:
                await _greeted(caller)
        await self._installation.all_calls_over()

    async def _one_that_is_handed_over(self) -> None:
        stack = self._installation.stack
        async with self._installation.call("bolt") as caller:
            await _greeted(caller)
            room = await self._installation.reaches(caller.room_sid, State.RUNNING)
            await stack.add_worker(SECOND_STANDARD)
            leaving = stack.workers["standard-1"]
            leaving.send(signal.SIGTERM)
            await self._installation.reaches(room.sid, _taken_over)
            await leaving.exited()
        await self._installation.reaches(room.sid, State.ENDED)

    async def _three_of_the_free_tier(self) -> None:
        for _ in range(3):
            async with self._installation.call("coral") as caller:
                await _greeted(caller)
            await self._installation.reaches(caller.room_sid, State.ENDED)

    async def _two_while_the_tier_has_no_worker(self) -> None:
        """One loses its agent with the worker, one comes while there is none."""
        stack = self._installation.stack
        async with self._installation.call("coral") as first:
            await _greeted(first)
            room = await self._installation.reaches(first.room_sid, State.RUNNING)
            stack.workers["free-1"].kill()
            async with self._installation.call("coral") as second:
                # The alerts are what is waited for, and their durations are fixed.
                await asyncio.sleep(UNANSWERED_SECONDS)
                await stack.add_worker(SECOND_FREE)
                await _greeted(second)
                await self._installation.reaches(room.sid, _taken_over)

    @asynccontextmanager
    async def _providers(self, name: str, fault: Fault | None = None, *, fallback: bool = False) -> AsyncIterator[str]:
        """A tenant of tier premium on cloud providers. `fault`: of its language model."""
        fallbacks: frozenset[Kind] = frozenset({"llm"} if fallback else ())
        async with (
            tenant_providers(self._directory, name) as providers,
            self._installation.more_tenants(providers.table(name, "premium", fallbacks=fallbacks)),
        ):
            providers.openai.fault = fault
            yield name

    async def _answered(self, tenant: str) -> None:
        async with self._installation.call(tenant) as caller:
            await _greeted(caller)
            asked = await caller.say(utterance(QUESTION))
            self.questions += 1
            await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
            sid = caller.room_sid
        await self._installation.reaches(sid, State.ENDED)


async def _greeted(caller: Caller) -> None:
    await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=2 * ANSWER_SECONDS)


def _taken_over(room: Room) -> bool:
    return room.attempt == 2 and room.state is State.RUNNING and "published" in room.steps_ms
