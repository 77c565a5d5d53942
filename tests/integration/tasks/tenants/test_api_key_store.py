"""API keys in a real Redis."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.rooms import RoomStore
from tasks.tenants import keys
from tasks.tenants.api_key_store import USE_SECONDS, ApiKeyAdmin, ApiKeyReader
from tasks.tenants.api_keys import ApiKey, Scope


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def create(admin: ApiKeyAdmin, tenant: str = "acme", **options: int) -> tuple[str, ApiKey]:
    return await admin.create(tenants=[tenant], scopes=[Scope.CALLS_READ], name=tenant, **options)


async def test_a_key_is_found_from_the_moment_in_which_it_is_created_until_it_is_revoked(rooms: RoomStore) -> None:
    admin, reader = ApiKeyAdmin(rooms.redis), ApiKeyReader(rooms.redis)
    presented, key = await create(admin)

    assert await reader.find(presented) == key
    assert await admin.revoke(key.id)
    assert await reader.find(presented) is None
    assert not await admin.revoke(key.id)


async def test_another_secret_with_the_id_of_a_key_opens_nothing(rooms: RoomStore) -> None:
    admin, reader = ApiKeyAdmin(rooms.redis), ApiKeyReader(rooms.redis)
    presented, key = await create(admin)
    other, _ = await create(admin, "basic")

    assert await reader.find(presented[:-64] + other[-64:]) is None
    assert await reader.find(key.id) is None
    assert await reader.find(key.sha256) is None


async def test_redis_has_the_hash_of_a_key_alone(rooms: RoomStore) -> None:
    presented, key = await create(ApiKeyAdmin(rooms.redis))

    kept = str(await rooms.redis.hgetall(keys.API_KEYS))
    assert key.sha256 in kept
    assert presented[-64:] not in kept


async def test_the_use_of_a_key_is_written_once_a_minute(rooms: RoomStore) -> None:
    clock = Clock()
    admin, reader = ApiKeyAdmin(rooms.redis), ApiKeyReader(rooms.redis, clock=clock)
    _, key = await create(admin)
    assert [each.used_at for each in await admin.list()] == [None]

    seen = []
    for seconds in (0.0, USE_SECONDS - 1, 1.0):
        clock.now += seconds
        await reader.note_use(key)
        seen += [each.used_at for each in await admin.list()]

    assert seen == [1_000_000, 1_000_000, 1_000_060]


async def test_what_is_no_record_of_a_key_is_nobodys_and_is_not_listed(rooms: RoomStore) -> None:
    admin, reader = ApiKeyAdmin(rooms.redis), ApiKeyReader(rooms.redis)
    presented, key = await create(admin)
    await rooms.redis.hset(keys.API_KEYS, key.id, "[")

    assert await reader.find(presented) is None
    assert await admin.list() == []
