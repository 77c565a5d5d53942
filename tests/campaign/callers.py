"""What callers do, and what they notice. A caller that the server throws out comes back, as a person does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache

import aiohttp
from livekit import api, rtc

from ops.caller.caller import Caller, is_agent
from ops.caller.errors import CallError
from ops.caller.recording import Interval, Samples
from ops.caller.voice import speech
from ops.stack.livekit import LiveKitServer
from tests.campaign.history import CallerPlan, Visit
from tests.campaign.observations import AgentSeen, HistoryClock, Observations, RoomSeen, VisitSeen

ANSWER_SECONDS = 4.0
"""The time after which a caller asks again."""
QUIET_SECONDS = 0.6
PAUSES_SECONDS = (0.8, 2.5)
MUTED_SECONDS = 6.0
REDIAL_SECONDS = 1.5
GAP_SECONDS = 0.1
PREFIX = "switchboard."
KINDS: dict[str, api.AccessToken.ParticipantKind] = {"person": "standard", "hidden": "standard", "telephone": "sip"}
UNDECIDED_SECONDS = 0.25

Undecided = Callable[[VisitSeen, float], bool]
"""Whether an answer to a question of that time may still come in time, so that the caller stays a little."""


@cache
def words(text: str) -> Samples:
    """Return a text as speech."""
    return speech(text)


class Line:
    """The line between the callers of a room and the LiveKit server."""

    def __init__(self, server: LiveKitServer, room: RoomSeen, seen: Observations, undecided: Undecided) -> None:
        self.server = server
        self.room = room
        self.seen = seen
        self.undecided = undecided
        self.rng = random.Random(f"{seen.history.seed} {seen.history.number} {room.plan.name}")

    @property
    def clock(self) -> HistoryClock:
        """The history's clock."""
        return self.seen.clock

    def token(self, visit: Visit) -> str:
        """Return the token of a visit."""
        grants = api.VideoGrants(room_join=True, room=self.room.name, hidden=visit.kind == "hidden" or None)
        return (
            api.AccessToken(self.server.api_key, self.server.api_secret)
            .with_identity(visit.identity)
            .with_kind(KINDS.get(visit.kind, "standard"))
            .with_grants(grants)
            .with_ttl(timedelta(hours=1))
            .to_jwt()
        )


async def run_caller(plan: CallerPlan, line: Line) -> None:
    """Do all that a caller does in a history."""
    async with asyncio.TaskGroup() as group:
        for number, visit in enumerate(plan.visits, start=1):
            last = number == len(plan.visits)
            group.create_task(_attend(plan, visit, line, last=last))


async def _attend(plan: CallerPlan, visit: Visit, line: Line, *, last: bool) -> None:
    """Visit the room, and again each time the server throws the caller out before the visit is over."""
    await asyncio.sleep(visit.begin - line.clock.now())
    if visit.kind == "hangs up":
        await _hang_up_while_connecting(plan, visit, line)
        return
    while line.clock.now() < visit.end:
        seen = VisitSeen(plan.name, visit)
        line.room.visits.append(seen)
        try:
            await _Stay(line, seen, last=last).run()
        except (rtc.ConnectError, aiohttp.ClientError) as error:
            line.seen.note(plan.name, f"cannot connect: {error}")
        finally:
            seen.left = line.clock.now()
        if seen.told is not None or (seen.thrown_out and "DUPLICATE" in seen.thrown_out[1]):
            return
        if line.clock.now() < visit.end:
            await asyncio.sleep(REDIAL_SECONDS)


async def _hang_up_while_connecting(plan: CallerPlan, visit: Visit, line: Line) -> None:
    """Open the connection for signals as a client does, and drop it before the media is connected."""
    url = f"{line.server.url}/rtc?access_token={line.token(replace(visit, kind='person'))}&auto_subscribe=1&protocol=16"
    line.seen.note(plan.name, "connects, and hangs up at once")
    with suppress(aiohttp.ClientError, TimeoutError):
        async with (
            asyncio.timeout(visit.end - visit.begin),
            aiohttp.ClientSession() as session,
            session.ws_connect(url) as socket,
        ):
            async for _ in socket:
                pass


class _Stay:
    """A visit while it lasts."""

    def __init__(self, line: Line, seen: VisitSeen, *, last: bool) -> None:
        self._line = line
        self._seen = seen
        self._last = last
        self._offset = 0.0
        self._over = asyncio.Event()
        self._leaving = False
        self._muted_once = False

    async def run(self) -> None:
        line, seen = self._line, self._seen
        async with Caller.call(line.server.url, line.token(seen.plan), low_cpu=True) as caller:
            self._offset = line.clock.of_unix(caller.clock.unix_ms(0) / 1000)
            seen.joined, seen.sid = line.clock.now(), caller.room_sid
            self._note(f"joins {caller.room_sid} as {seen.plan.identity} ({seen.plan.kind}, {seen.plan.voice})")
            self._watch(caller)
            try:
                await self._stay(caller)
            finally:
                self._leaving = True
                seen.left = line.clock.now()
                for channel in caller.listener.channels:
                    heard = [
                        Interval(begin + self._offset, end + self._offset)
                        for begin, end in channel.audible_intervals(GAP_SECONDS)
                    ]
                    seen.sounds.setdefault(channel.speaker, []).extend(heard)
                if seen.thrown_out is None:
                    self._note("leaves")

    async def _stay(self, caller: Caller) -> None:
        talking = asyncio.create_task(self._talk(caller))
        over = asyncio.create_task(self._over.wait())
        try:
            seconds = self._seen.plan.end - self._line.clock.now()
            await asyncio.wait({talking, over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not (talking.done() or over.done()):
                # Polled: what excuses silence is in files of other processes.
                while self._last and self._waits(caller) and not over.done():  # noqa: ASYNC110
                    await asyncio.sleep(UNDECIDED_SECONDS)
            elif talking.done() and not over.done():
                await asyncio.wait({over}, timeout=max(0.0, self._seen.plan.end - self._line.clock.now()))
        finally:
            for task in (talking, over):
                task.cancel()
            results = await asyncio.gather(talking, over, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, CallError):
                raise result

    def _waits(self, caller: Caller) -> bool:
        """Return whether a question within the visit is not answered and may still be in time."""
        heard = caller.listener._last_sound + self._offset
        unanswered = [ask.end for ask in self._seen.asks if heard < ask.end <= self._seen.plan.end]
        return bool(unanswered) and self._line.undecided(self._seen, unanswered[0])

    async def _talk(self, caller: Caller) -> None:
        voice = self._seen.plan.voice
        if self._seen.plan.kind == "hidden" or voice == "silent":
            return
        hums = self._line.room.plan.agent == "hum"
        # People wait for a greeting, and say hello if none comes.
        with suppress(CallError):
            await caller.listener.wait_for_sound(0.0, ANSWER_SECONDS)
        while True:
            if voice != "talks over" and not hums:
                with suppress(CallError):
                    await caller.listener.wait_for_silence(QUIET_SECONDS, ANSWER_SECONDS / 2)
            answered = await self._ask(caller, "tell me a long story" if voice == "talks over" else "hello")
            if answered and voice == "mutes" and not self._muted_once:
                await self._mute(caller)
            if answered and voice != "talks over":
                await asyncio.sleep(self._line.rng.uniform(*PAUSES_SECONDS))
            if self._over.is_set():
                return

    async def _ask(self, caller: Caller, text: str) -> bool:
        began = caller.clock.now()
        spoken = len(words(text)) / caller.listener.rate
        # Noted before it is over: the caller may be gone by then, and the agent has heard it.
        ask = Interval(began + self._offset, began + spoken + self._offset)
        self._seen.asks.append(ask)
        interval = await caller.say(words(text))
        self._seen.asks[-1] = asked = Interval(interval.begin + self._offset, interval.end + self._offset)
        self._note(f"has asked, {asked.begin:.2f}-{asked.end:.2f} s")
        try:
            await caller.listener.wait_for_sound(interval.end + GAP_SECONDS, ANSWER_SECONDS)
        except CallError:
            self._note("asks, and hears nothing")
            return False
        return True

    async def _mute(self, caller: Caller) -> None:
        self._muted_once = True
        publications = caller.room.local_participant.track_publications.values()
        tracks = [track for each in publications if isinstance(track := each.track, rtc.LocalAudioTrack)]
        began = self._line.clock.now()
        for track in tracks:
            track.mute()
        self._note("mutes")
        await asyncio.sleep(MUTED_SECONDS)
        for track in tracks:
            track.unmute()
        self._note("unmutes")
        self._seen.muted.append(Interval(began, self._line.clock.now()))

    def _watch(self, caller: Caller) -> None:
        room = caller.room
        for participant in room.remote_participants.values():
            self._on_joined(participant)
        room.on("participant_connected", self._on_joined)
        room.on("participant_disconnected", self._on_left)
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("disconnected", self._on_disconnected)
        self._on_attributes(room.local_participant.attributes, room.local_participant)

        def reconnected() -> None:
            self._note("is connected again")

        room.on("reconnected", reconnected)

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        if is_agent(participant):
            self._seen.agents.append(AgentSeen(participant.identity, self._line.clock.now()))
            self._note(f"sees {participant.identity}")

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        for agent in self._seen.agents:
            if agent.identity == participant.identity and agent.end is None:
                agent.end = self._line.clock.now()
                self._note(f"sees {participant.identity} leave")

    def _on_attributes(self, _: object, participant: rtc.Participant) -> None:
        if participant.identity != self._seen.plan.identity:
            return
        ours = {name: value for name, value in participant.attributes.items() if name.startswith(PREFIX)}
        if ours:
            self._note(f"reads {ours}")
        reason = ours.get(f"{PREFIX}reason")
        if reason and self._seen.told is None:
            self._seen.told = (self._line.clock.now(), reason)

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if not self._leaving:
            self._seen.thrown_out = (self._line.clock.now(), rtc.DisconnectReason.Name(reason))
            self._note(f"is thrown out: {self._seen.thrown_out[1]}")
        self._over.set()

    def _note(self, text: str) -> None:
        self._line.seen.note(self._seen.caller, text)
