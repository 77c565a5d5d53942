"""One call of a probe: from the room to the hang-up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from livekit import rtc
from redis.asyncio import Redis

from ops.caller.caller import Caller
from ops.caller.errors import CallEnded, CallError, NoAnswer
from ops.caller.recording import Interval, Samples
from ops.caller.voice import speech
from ops.commands.probe import expectation
from ops.commands.probe.front_door import FrontDoor, Invitation
from ops.commands.probe.options import ProbeOptions
from ops.commands.probe.result import ProbeFailed, ProbeResult, Step
from ops.commands.probe.room_watch import RoomWatch
from tasks.errors import RedisUnavailable
from tasks.livekit_api import LiveKitClient, LiveKitError
from tasks.redis_client import connect
from tasks.settings import RedisSettings

CONNECT_SECONDS = 15.0
QUIET_SECONDS = 0.6
"""Silence that ends the agent's turn: longer than between two sentences."""
STOPPED_SECONDS = 0.25
"""Silence that shows that the agent does not speak any more, or was interrupted."""
END_SECONDS = 15.0


class ProbeCall:
    """One call. `run` makes it, hangs up, and deletes its room, also when it is cancelled."""

    def __init__(
        self, options: ProbeOptions, door: FrontDoor, livekit: LiveKitClient, redis: RedisSettings, result: ProbeResult
    ) -> None:
        self._options = options
        self._door = door
        self._livekit = livekit
        self._redis = redis
        self._result = result

    async def run(self) -> ProbeResult:
        """Make the call, and return its result."""
        try:
            async with connect(self._redis) as redis:
                await self._call(redis)
        except ProbeFailed as failure:
            self._result.problem = str(failure)
        return self._result

    async def _call(self, redis: Redis) -> None:
        invitation = await self._timed(Step.ROOM, self._door.open(self._result.tenant))
        self._result.room, self._result.sid = invitation.room, invitation.sid
        watch = RoomWatch(redis, invitation.sid, deadline_seconds=self._redis.deadline_seconds)
        async with AsyncExitStack() as leaving:
            leaving.push_async_callback(self._hang_up, invitation)
            caller = await self._timed(Step.CONNECT, self._connect(invitation, leaving))
            if self._options.recording is not None:
                leaving.callback(caller.save, self._options.recording)
            await self._converse(caller, watch)
            began = time.monotonic()
            await leaving.aclose()
            await self._wait_until_over(watch)
            self._result.add(Step.END, time.monotonic() - began)

    async def _timed(self, step: Step, action: Awaitable[Any]) -> Any:
        began = time.monotonic()
        done = await action
        self._result.add(step, time.monotonic() - began)
        return done

    async def _connect(self, invitation: Invitation, leaving: AsyncExitStack) -> Caller:
        connecting = asyncio.ensure_future(leaving.enter_async_context(Caller.call(invitation.url, invitation.token)))
        try:
            await asyncio.wait({connecting}, timeout=CONNECT_SECONDS)
            if not connecting.done():
                reason = await self._why_not_connected(invitation)
                raise ProbeFailed(f"the caller cannot connect to {invitation.url}: {reason}")
            return await connecting
        except rtc.ConnectError as error:
            raise ProbeFailed(f"the caller cannot connect to {invitation.url}: {error}") from None
        finally:
            # It ends when livekit's client has given up, after a minute: before that, it would create the room anew.
            connecting.cancel()
            await asyncio.wait({connecting})

    async def _why_not_connected(self, invitation: Invitation) -> str:
        """Return why connecting takes so long: the server lists a participant once its signalling has come through."""
        try:
            signalling = bool(await self._livekit.list_participants(invitation.room))
        except LiveKitError:
            signalling = False
        if not signalling:
            return f"no answer within {CONNECT_SECONDS:.0f} s"
        return (
            f"its WebSocket does, but no audio comes through within {CONNECT_SECONDS:.0f} s: open the ports of `rtc` "
            "in the LiveKit server's configuration (UDP and tcp_port), and let it offer an address that callers reach "
            "(node_ip, use_external_ip)"
        )

    async def _converse(self, caller: Caller, watch: RoomWatch) -> None:
        connected = caller.clock.now()
        limit = self._options.first_word_seconds
        await self._within(caller.wait_for_agent(limit), watch, f"no agent joins within {limit:g} s")
        self._result.add(Step.AGENT, caller.clock.now() - connected)
        left = max(0.0, limit - (caller.clock.now() - connected))
        sound = caller.listener.wait_for_sound(0.0, left)
        await self._within(sound, watch, f"the agent says nothing within {limit:g} s")
        self._result.add(Step.FIRST_WORD, caller.clock.now() - connected)
        heard = Interval(0.0, 0.0)
        # One that goes on speaking is asked all the same: it can be interrupted.
        await self._wait_for_silence(caller, watch)
        if self._options.say is not None:
            heard = await self._ask(caller, self._options.say, watch)
        await self._judge(caller, heard)

    async def _ask(self, caller: Caller, question: str, watch: RoomWatch) -> Interval:
        """Ask, and return the interval after which an answer was heard.

        As people do, it asks once more if nothing comes. The seconds count from the first time.
        """
        samples = await asyncio.to_thread(speech, question)
        limit = self._options.answer_seconds
        first = asked = await self._say(caller, samples, watch)
        if not await self._answers(caller, asked, limit / 2, watch):
            self._result.asked_again = True
            asked = await self._say(caller, samples, watch)
            sound = caller.listener.wait_for_sound(asked.end, limit / 2)
            await self._within(sound, watch, f"no answer to {question!r}, asked twice, within {limit:g} s")
        self._result.add(Step.ANSWER, caller.clock.now() - first.end)
        await self._wait_for_silence(caller, watch)
        return asked

    async def _say(self, caller: Caller, samples: Samples, watch: RoomWatch) -> Interval:
        """Say something, and return when; the end is that of what the agent still says meanwhile."""
        said: Interval = await self._in_the_call(caller.say(samples), watch)
        if caller.listener.is_silent(STOPPED_SECONDS):
            return said
        # The end of what was interrupted is no answer.
        with suppress(NoAnswer):
            silence = caller.listener.wait_for_silence(STOPPED_SECONDS, self._options.answer_seconds)
            await self._in_the_call(silence, watch)
        return Interval(said.begin, caller.clock.now())

    async def _answers(self, caller: Caller, asked: Interval, seconds: float, watch: RoomWatch) -> bool:
        try:
            await self._in_the_call(caller.listener.wait_for_sound(asked.end, seconds), watch)
        except NoAnswer:
            return False
        return True

    async def _wait_for_silence(self, caller: Caller, watch: RoomWatch) -> None:
        """Wait for the end of what the agent says, but not longer than for an answer. Raises ProbeFailed."""
        with suppress(NoAnswer):
            silence = caller.listener.wait_for_silence(QUIET_SECONDS, self._options.answer_seconds)
            await self._in_the_call(silence, watch)

    async def _judge(self, caller: Caller, asked: Interval) -> None:
        """Look for the expected words in what was heard since the question. Raises ProbeFailed."""
        since = Interval(asked.end, caller.clock.now())
        expected = self._options.expect
        if expected:
            self._result.heard_in = await expectation.find(caller, since, expected)
        self._result.agent_said = expectation.said_since(caller, since.begin)
        if expected and self._result.heard_in is None:
            said = " ".join(self._result.agent_said) or "nothing that it has transcribed"
            raise ProbeFailed(f"the agent says something else than {' or '.join(map(repr, expected))}: {said}")

    async def _within(self, waiting: Coroutine[Any, Any, None], watch: RoomWatch, problem: str) -> None:
        """Wait for the agent. Raises ProbeFailed, with the reason, after the limit, or as soon as the room is over."""
        over = asyncio.create_task(_over(watch))
        wanted = asyncio.create_task(waiting)
        try:
            await asyncio.wait({over, wanted}, return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                await wanted
                return
        except CallError:
            raise ProbeFailed(f"{problem}: {await watch.explain()}") from None
        finally:
            for task in (over, wanted):
                task.cancel()
            await asyncio.wait({over, wanted})
        raise ProbeFailed(f"the call ended before: {await watch.explain()}")

    async def _in_the_call(self, waiting: Awaitable[Any], watch: RoomWatch) -> Any:
        """Wait for something that takes as long as it takes. Raises NoAnswer, or ProbeFailed if the call ends."""
        try:
            return await waiting
        except CallEnded:
            raise ProbeFailed(f"the call ended: {await watch.explain()}") from None

    async def _hang_up(self, invitation: Invitation) -> None:
        # Without this it is closed too, a while after the caller has left.
        with suppress(LiveKitError):
            await self._livekit.delete_room(invitation.room)

    async def _wait_until_over(self, watch: RoomWatch) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                await watch.wait_until_over()
        except RedisUnavailable:
            return
        except TimeoutError:
            reason = await watch.explain()
            raise ProbeFailed(f"{END_SECONDS:.0f} s after the hang-up the call is not over: {reason}") from None


async def _over(watch: RoomWatch) -> None:
    """Wait until the room is over, which without Redis is not known."""
    try:
        await watch.wait_until_over()
    except RedisUnavailable:
        await asyncio.Event().wait()
