from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ops.stack.redis import RedisServer
from tasks.rooms import RoomStore
from tests.integration.webhooks.sender import Sender, event, new_sid
from tests.support import outages

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 2.5


@pytest_asyncio.fixture(loop_scope="module")
async def killed(redis_server: RedisServer, rooms: RoomStore) -> AsyncIterator[RedisServer]:
    async with outages.killed(redis_server):
        yield redis_server


@pytest_asyncio.fixture(loop_scope="module")
async def paused(redis_server: RedisServer, rooms: RoomStore) -> AsyncIterator[RedisServer]:
    with outages.paused(redis_server):
        yield redis_server


async def queued(redis_server: RedisServer) -> int:
    async with redis_server.client() as client:
        length = client.llen("premium")
        assert not isinstance(length, int)
        return await length


async def test_a_webhook_while_redis_is_dead_is_refused_and_answered_after_its_return(
    sender: Sender, killed: RedisServer
) -> None:
    body = event("room_started", new_sid())

    refused = await sender.post(body)

    assert (refused.status, refused.outcome) == (503, "unavailable")
    assert refused.seconds < SECONDS
    assert refused.retry_after in {"1", "2"}
    assert await sender.status("/readyz") == 503
    assert await sender.status("/healthz") == 200

    await killed.start()

    again = await sender.post(body)
    assert (again.status, again.outcome) == (200, "queued")
    assert await sender.status("/readyz") == 200
    assert await queued(killed) == 1


async def test_a_webhook_while_redis_hangs_is_refused_in_time_and_queues_one_message_in_the_end(
    sender: Sender, paused: RedisServer
) -> None:
    bodies = [event("room_started", new_sid()) for _ in range(50)]

    answers = asyncio.gather(*(sender.post(body) for body in bodies))
    health = await asyncio.wait_for(sender.status("/healthz"), 1)

    assert health == 200
    assert not answers.done()
    for refused in await answers:
        assert (refused.status, refused.outcome) == (503, "unavailable")
        assert refused.seconds < SECONDS
        assert refused.retry_after is not None

    paused.resume()

    # What Redis had received before the deadline may have been done after it, so either outcome is right.
    again = await asyncio.gather(*(sender.post(body) for body in bodies))
    assert {answer.status for answer in again} == {200}
    assert {answer.outcome for answer in again} <= {"queued", "known"}
    assert await queued(paused) == len(bodies)


async def test_a_receiver_whose_redis_hangs_says_in_time_that_it_is_not_ready(
    sender: Sender, paused: RedisServer
) -> None:
    assert await asyncio.wait_for(sender.status("/readyz"), SECONDS) == 503

    paused.resume()

    assert await sender.status("/readyz") == 200


async def test_a_room_that_finishes_while_redis_is_dead_is_to_be_announced_again(
    sender: Sender, killed: RedisServer
) -> None:
    body = event("room_finished", new_sid())

    refused = await sender.post(body)
    await killed.start()
    again = await sender.post(body)

    assert (refused.status, again.status) == (503, 200)
