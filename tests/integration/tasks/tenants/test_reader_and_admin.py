"""TenantReader and TenantAdmin with a real Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from tasks.errors import TenantInvalid, TenantsBusy, UnknownNumber, UnknownTenant
from tasks.queue.dispatcher import Dispatcher, DispatchResult, RoomInfo
from tasks.redis_client import connect_blocking
from tasks.rooms import RoomStore
from tasks.settings import RedisSettings, Settings
from tasks.tenants import TenantReader, keys
from tasks.tenants.admin import TRIES, StoredTenant, TenantAdmin
from tasks.tenants.reader import declared_agents
from tests.support.tenants import declare, signer

NUMBER = "+15551234567"
ACME = f'[tenants.acme]\ntier = "premium"\nnumbers = ["{NUMBER}", "+15557654321"]\n'


@dataclass(frozen=True)
class Change:
    put: Mapping[str, StoredTenant] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()


def putting(**entries: StoredTenant) -> Change:
    return Change(entries)


@pytest.fixture
def client(rooms: RoomStore) -> Redis:
    return rooms.redis


@pytest.fixture
def tenants(client: Redis) -> TenantReader:
    return TenantReader(client, frozenset({"premium", "free"}), signer())


@pytest.fixture
def admin(client: Redis) -> TenantAdmin:
    return TenantAdmin(client, signer())


async def test_a_tenant_is_the_last_one_written(client: Redis, tenants: TenantReader) -> None:
    for greeting in ("Hello", "Good morning"):
        await declare(client, f'{ACME}greeting = "{greeting}"\n')
        assert (await tenants.get("acme")).greeting == greeting


async def test_an_undeclared_tenant_is_unknown(client: Redis, tenants: TenantReader) -> None:
    await declare(client, ACME)
    with pytest.raises(UnknownTenant, match=r"no tenant 'bolt'\. Declare it in a \[tenants\.bolt\] table, and apply"):
        await tenants.get("bolt")


async def test_a_tenant_is_found_by_each_of_its_numbers(client: Redis, tenants: TenantReader) -> None:
    await declare(client, ACME)
    for number in (NUMBER, "+15557654321"):
        assert (await tenants.get_by_number(number)).id == "acme"
    with pytest.raises(UnknownNumber, match=r"No tenant has the number that was called\. Add it"):
        await tenants.get_by_number("+15550000000")


async def test_a_number_goes_with_its_tenant_and_may_go_to_another_one(
    client: Redis, tenants: TenantReader, admin: TenantAdmin
) -> None:
    await declare(client, ACME)
    # In one step, and in an order in which the new owner is written before the old one lets go.
    await admin.change(
        lambda _: putting(
            aaron=StoredTenant({"tier": "free", "numbers": [NUMBER]}),
            acme=StoredTenant({"tier": "free", "numbers": ["+15557654321"]}),
        )
    )
    assert (await tenants.get_by_number(NUMBER)).id == "aaron"
    await admin.change(lambda _: Change(removed=frozenset({"aaron"})))
    with pytest.raises(UnknownNumber):
        await tenants.get_by_number(NUMBER)
    assert (await tenants.get_by_number("+15557654321")).id == "acme"


async def test_a_look_up_is_one_round_trip_for_each_key_and_never_takes_the_encrypted_keys_along(
    client: Redis, tenants: TenantReader, admin: TenantAdmin
) -> None:
    await admin.change(lambda _: putting(acme=StoredTenant({"tier": "free", "numbers": [NUMBER]}, {"stt": "s3al3d"})))
    async with client.monitor() as monitor:
        await tenants.get("acme")
        await tenants.get_by_number(NUMBER)
        await client.echo("that is all")
        seen: list[str] = []
        while not seen or seen[-1] != "ECHO that is all":
            seen.append((await monitor.next_command())["command"])
    connecting = {"HELLO", "CLIENT"}
    asked = [command.split()[0] for command in seen if command.split()[0] not in connecting]
    assert asked == ["HGET", "HGET", "HGET", "ECHO"]
    assert not [command for command in seen if keys.PROVIDER_KEYS in command]


async def test_a_call_gets_its_tenant_and_its_encrypted_keys_together(
    tenants: TenantReader, admin: TenantAdmin
) -> None:
    await admin.change(
        lambda _: putting(
            acme=StoredTenant({"tier": "free"}, {"stt": "s3al3d"}), bolt=StoredTenant({"tier": "free"}, {"stt": "no"})
        )
    )
    tenant, encrypted = await tenants.get_with_keys("acme")
    assert (tenant.id, encrypted) == ("acme", {"stt": "s3al3d"})
    with pytest.raises(UnknownTenant):
        await tenants.get_with_keys("coral")


async def test_a_record_of_a_newer_version_is_read_by_an_older_one(client: Redis, tenants: TenantReader) -> None:
    await declare(client, f'{ACME}colour = "red"\n')
    assert (await tenants.get("acme")).tier == "premium"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('tier = "gold"', "tier 'gold' does not exist; the tiers are free, premium"),
        ('tier = "free"\nmax_calls = -1', "max_calls: Input should be greater than 0"),
    ],
)
async def test_a_tenant_applied_with_other_settings_is_invalid_with_the_reason(
    client: Redis, tenants: TenantReader, table: str, problem: str
) -> None:
    await declare(client, f"[tenants.acme]\n{table}\n")
    with pytest.raises(TenantInvalid, match="Tenant 'acme' cannot be used") as raised:
        await tenants.get("acme")
    assert problem in str(raised.value)


async def test_a_receiver_that_runs_sees_a_change_at_its_next_call(
    client: Redis, switchboard_env: dict[str, str], rooms: RoomStore
) -> None:
    dispatcher = Dispatcher.from_settings(Settings.read())
    try:
        metadata = '{"tenant_id": "acme"}'
        assert await dispatcher.open(RoomInfo("RM_1", "call-acme-1", metadata)) is DispatchResult.DEAD
        await declare(client, ACME)
        assert await dispatcher.open(RoomInfo("RM_2", "call-acme-2")) is DispatchResult.QUEUED
        await declare(client, ACME.replace("premium", "free"))
        assert await dispatcher.open(RoomInfo("RM_3", "call-acme-3")) is DispatchResult.QUEUED
    finally:
        await dispatcher.aclose()
    assert [room.queue for room in await rooms.list_open()] == ["premium", "free"]


async def test_a_change_is_planned_again_when_somebody_else_was_quicker(client: Redis, admin: TenantAdmin) -> None:
    await declare(client, ACME)
    seen: list[list[str]] = []
    blocking = connect_blocking(RedisSettings.read({"REDIS_URL": client_url(client)}))

    def plan(before: Mapping[str, StoredTenant]) -> Change:
        seen.append(list(before))
        if len(seen) == 1:
            # Between the reading and the writing, on another connection.
            blocking.hset(keys.TENANTS, "bolt", json.dumps({"tier": "free"}))
        return putting(**{f"number-{len(before)}": StoredTenant({"tier": "free"})})

    with blocking:
        await admin.change(plan)
    assert seen == [["acme"], ["acme", "bolt"]]
    assert set(await admin.read()) == {"acme", "bolt", "number-2"}


async def test_constant_changes_of_another_process_are_not_overwritten(client: Redis, admin: TenantAdmin) -> None:
    blocking = connect_blocking(RedisSettings.read({"REDIS_URL": client_url(client)}))
    count = 0

    def plan(before: Mapping[str, StoredTenant]) -> Change:
        nonlocal count
        count += 1
        blocking.hset(keys.TENANTS, "bolt", json.dumps({"tier": "free", "max_calls": count}))
        return putting(bolt=StoredTenant({"tier": "premium"}))

    with blocking, pytest.raises(TenantsBusy, match=f"{TRIES} times in a row. Nothing was changed here"):
        await admin.change(plan)
    assert (await admin.read())["bolt"].record == {"tier": "free", "max_calls": TRIES}


async def test_a_plan_that_fails_and_a_dry_run_write_nothing(client: Redis, admin: TenantAdmin) -> None:
    await declare(client, ACME)

    def fail(_: Mapping[str, StoredTenant]) -> Change:
        raise UnknownTenant(tenant="bolt")

    with pytest.raises(UnknownTenant):
        await admin.change(fail)
    await admin.change(lambda _: Change(removed=frozenset({"acme"})), dry_run=True)
    assert set(await admin.read()) == {"acme"}


async def test_a_tenant_that_goes_takes_its_encrypted_keys_along(client: Redis, admin: TenantAdmin) -> None:
    await admin.change(lambda _: putting(acme=StoredTenant({"tier": "free", "numbers": [NUMBER]}, {"stt": "s3al3d"})))
    await admin.change(lambda _: putting(acme=StoredTenant({"tier": "free", "numbers": [NUMBER]})))
    assert await client.exists(keys.PROVIDER_KEYS) == 0
    await admin.change(lambda _: putting(acme=StoredTenant({"tier": "free"}, {"stt": "s3al3d"})))
    await admin.change(lambda _: Change(removed=frozenset({"acme"})))
    assert await client.exists(keys.TENANTS, keys.NUMBERS, keys.PROVIDER_KEYS) == 0


async def test_ten_thousand_tenants_are_changed_in_one_step(
    client: Redis, tenants: TenantReader, admin: TenantAdmin
) -> None:
    many = {
        f"tenant-{number}": StoredTenant({"tier": "free", "numbers": [f"+1555{number:07}"]}, {"stt": "x" * 120})
        for number in range(10_000)
    }
    await admin.change(lambda _: Change(many))
    assert await admin.read() == dict(sorted(many.items()))
    assert (await tenants.get_by_number("+15550009999")).id == "tenant-9999"
    await admin.change(lambda before: Change(removed=frozenset(before)))
    assert await admin.read() == {}


async def test_a_worker_learns_the_agents_that_tenants_name(client: Redis, switchboard_env: dict[str, str]) -> None:
    await declare(
        client, f'{ACME}agent = "a:b"\n[tenants.bolt]\ntier = "x"\nagent = "c:d"\n[tenants.coral]\ntier = "free"\n'
    )
    with connect_blocking(RedisSettings.read()) as blocking:
        assert declared_agents(blocking, signer()) == {"a:b", "c:d"}


def client_url(client: Redis) -> str:
    known = client.connection_pool.connection_kwargs
    return f"redis://:{known['password']}@{known['host']}:{known['port']}/0"
