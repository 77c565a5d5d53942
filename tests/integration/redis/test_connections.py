"""A connection leaves a server that takes no writes, with both versions of the replies that a script gets."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from ops.stack.ports import HOST
from ops.stack.redis import RedisServer
from tasks.redis_client import connect, connect_blocking
from tasks.redis_client.connections import takes_no_writes
from tasks.rooms import RoomStore, keys
from tasks.settings import RedisSettings


@pytest.mark.parametrize(
    ("error", "leaves"),
    [
        (ReadOnlyError("You can't write against a read only replica."), True),
        (ResponseError("Error running script (call to f_1): @user_script:5: -READONLY You can't write"), True),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (ResponseError("MASTERDOWN Link with MASTER is down"), True),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), False),
        (ResponseError("Error running script (call to f_1): @user_script:5: -MISCONF Redis is configured"), False),
        (ResponseError("BUSY Redis is busy running a script."), False),
        (ResponseError("wrong type, and a value of READONLY "), False),
    ],
)
def test_a_server_is_left_for_what_says_that_another_one_is_the_master(error: ResponseError, *, leaves: bool) -> None:
    assert takes_no_writes(error) is leaves


async def test_a_client_connects_anew_after_a_reply_that_says_replica(redis_server: RedisServer) -> None:
    settings = RedisSettings.read({"REDIS_URL": redis_server.url})
    async with connect(settings) as client, redis_server.client() as admin:
        rooms = RoomStore(client)
        await rooms.prove_write()
        before = await client.client_id()
        await admin.replicaof(HOST, 1)
        with pytest.raises(RedisConnectionError, match=r"READONLY|read only replica"):
            await rooms.prove_write()
        await admin.replicaof("NO", "ONE")
        await rooms.prove_write()
        assert await client.client_id() != before


async def test_the_blocking_client_does_so_too_also_in_a_transaction(redis_server: RedisServer) -> None:
    settings = RedisSettings.read({"REDIS_URL": redis_server.url})
    with connect_blocking(settings) as client:
        before = client.client_id()
        async with redis_server.client() as admin:
            await admin.replicaof(HOST, 1)
            with client.pipeline(transaction=True) as pipe:
                pipe.set(keys.PROBE, "1", px=1000)
                with pytest.raises(RedisConnectionError):
                    pipe.execute()
            await admin.replicaof("NO", "ONE")
        client.set(keys.PROBE, "1", px=1000)
        assert client.client_id() != before
