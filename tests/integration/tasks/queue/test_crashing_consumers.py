"""Random histories of real kombu consumers that crash between any two steps, and of rooms that come and go meanwhile.

After each step no room may be in a queue that does not wait there, and none twice. When all is quiet, each room that is
queued is in its queue.
"""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from tasks.queue.app import app
from tasks.queue.celery_config import load
from tasks.queue.dispatcher import Dispatcher, RoomInfo
from tasks.queue.requeue import requeue_call
from tasks.rooms import RoomStore, State, keys
from tasks.settings import Settings
from tests.support.tenants import declare

QUEUES = ("premium", "free")
TENANTS = '[tenants.acme]\ntier = "premium"\nmax_calls = 3\n[tenants.bolt]\ntier = "free"\nmax_waiting = 2\n'
STEPS = 250
LONG_AGO_MS = 1000
MANY = 1000

Message = tuple[str, int]


class Consumer:
    """A worker's main process, as far as its messages go: real kombu, with the queues of the configuration."""

    def __init__(self, url: str) -> None:
        self._connection = app.connection_for_read(url)
        queues = [queue for queue in load()["task_queues"] if queue.name in QUEUES]
        self._channel = self._connection.default_channel
        self._consumer = self._connection.Consumer(queues, channel=self._channel, callbacks=[self._receive])
        self._consumer.consume()
        self._received: list[tuple[Message, Any]] = []

    def poll(self) -> list[Message]:
        """Begin a BRPOP, or read the one that is under way. Returns what came."""
        self._received.clear()
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=0.005)
        return [message for message, _ in self._received]

    def crash(self) -> None:
        """Lose all connections at once, and with them what Redis has sent and nobody has read."""
        self._channel.client.connection_pool.disconnect()

    def restore(self) -> None:
        """Let kombu restore what it believes to be lost, as it does from time to time."""
        self._channel.qos.visibility_timeout = -1
        self._channel.qos.restore_visible(interval=1)

    def close(self) -> None:
        """Close in order, as at the end of a drain."""
        self._connection.release()

    def _receive(self, _: object, message: Any) -> None:
        _, arguments, _ = json.loads(message.body) if isinstance(message.body, str) else message.payload
        self._received.append(((arguments["sid"], arguments["attempt"]), message))


class History:
    """One random history."""

    def __init__(self, seed: int, url: str, rooms: RoomStore, dispatcher: Dispatcher) -> None:
        self._random = random.Random(seed)
        self._url = url
        self._rooms = rooms
        self._dispatcher = dispatcher
        self._consumers: list[Consumer] = []
        self._held: list[Message] = []
        self._opened = 0
        self.did: Counter[str] = Counter()

    async def run(self) -> None:
        """Take the steps, and then let all be quiet."""
        steps: list[Callable[[], Awaitable[None]]] = [
            *[self.open] * 5,
            *[self.poll] * 5,
            *[self.claim] * 3,
            *[self.close_a_room] * 2,
            *[self.lose_a_call, self.end_a_call, self.return_a_message, self.crash, self.leave_in_order],
            *[self.restore, self.expire_a_wait, self.find_lost_messages],
        ]
        for _ in range(STEPS):
            step = self._random.choice(steps)
            await step()
            self.did[step.__name__] += 1
            await self.no_message_is_stale_and_none_is_there_twice()
        for consumer in self._consumers:
            consumer.crash()
        await self.find_lost_messages()
        assert await self._messages() == await self._queued()

    async def open(self) -> None:
        tenant = self._random.choice(("acme", "bolt"))
        self._opened += 1
        await self._dispatcher.open(RoomInfo(f"RM_{self._opened}", f"call-{tenant}-1"))

    async def poll(self) -> None:
        if len(self._consumers) < 2 + self._random.randrange(2):
            self._consumers.append(Consumer(self._url))
        self._held += self._random.choice(self._consumers).poll()

    async def claim(self) -> None:
        if self._held:
            sid, attempt = self._held.pop(self._random.randrange(len(self._held)))
            await self._rooms.claim(sid, attempt, claimant=str(self._random.random()), worker="w", pid=1)

    async def return_a_message(self) -> None:
        if self._held:
            await self._rooms.return_message(*self._held[-1])
            # Or its reply is lost: redis-py asks once more, or the worker starts the call all the same.
            reply = self._random.choice(("heard", "heard", "asked once more", "lost"))
            if reply == "asked once more":
                await self._rooms.return_message(*self._held[-1])
            if reply != "lost":
                self._held.pop()

    async def close_a_room(self) -> None:
        open_rooms = await self._rooms.list_open()
        if open_rooms:
            await self._rooms.close(self._random.choice(open_rooms).sid)

    async def lose_a_call(self) -> None:
        for room in await self._rooms.list_open():
            if room.state is State.RUNNING:
                await requeue_call(room, self._rooms, 3, reason="killed")
                return

    async def end_a_call(self) -> None:
        for room in await self._rooms.list_open():
            if room.state is State.RUNNING:
                await self._rooms.end(room.sid, room.attempt, outcome="room empty")
                return

    async def crash(self) -> None:
        if self._consumers:
            self._consumers.pop(self._random.randrange(len(self._consumers))).crash()
            self._held = self._held[: self._random.randrange(len(self._held) + 1)]

    async def leave_in_order(self) -> None:
        if self._consumers:
            self._consumers.pop().close()

    async def restore(self) -> None:
        if self._consumers:
            self._consumers[0].restore()

    async def expire_a_wait(self) -> None:
        tier = self._random.choice(QUEUES)
        await self._rooms.waitlist.expire_waits(tier, -1000, reason="nobody came", limit=1)

    async def find_lost_messages(self) -> None:
        for name in (keys.QUEUED, keys.DELAYED):
            if sids := await self._rooms.redis.zrange(name, 0, -1):
                await self._rooms.redis.zadd(name, {str(sid): LONG_AGO_MS for sid in sids})
        await self._rooms.queue_delayed_rooms(MANY)
        await self._rooms.requeue_lost_messages(0, MANY)

    async def no_message_is_stale_and_none_is_there_twice(self) -> None:
        messages, queued = await self._messages(), await self._queued()
        assert messages <= queued, f"{messages - queued} after {self.did}"

    async def _messages(self) -> Counter[Message]:
        found: Counter[Message] = Counter()
        for queue in QUEUES:
            for message in await self._rooms.redis.lrange(queue, 0, -1):
                _, arguments, _ = json.loads(base64.b64decode(json.loads(str(message))["body"]))
                found[arguments["sid"], arguments["attempt"]] += 1
        return found

    async def _queued(self) -> Counter[Message]:
        return Counter((room.sid, room.attempt) for room in await self._rooms.list_open() if room.state is State.QUEUED)


@pytest.fixture
async def dispatcher(switchboard_env: dict[str, str], rooms: RoomStore) -> AsyncIterator[Dispatcher]:
    await declare(rooms.redis, TENANTS)
    made = Dispatcher.from_settings(Settings.read())
    yield made
    await made.aclose()


@pytest.mark.parametrize("seed", [7, 14, 21])
async def test_no_crash_leaves_a_room_without_its_message_or_a_message_without_its_room(
    dispatcher: Dispatcher, rooms: RoomStore, switchboard_env: dict[str, str], seed: int
) -> None:
    history = History(seed, switchboard_env["REDIS_URL"], rooms, dispatcher)
    await history.run()
    assert min(history.did.values()) > 0
