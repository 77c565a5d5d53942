"""Tenants in a real Redis: read one at a time, and changed all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from tasks.errors import TenantInvalid, TenantsBusy, UnknownNumber, UnknownTenant
from tasks.queue.dispatcher import Dispatcher, Opened, RoomSeen
from tasks.redis_client import connect_blocking
from tasks.rooms import RoomStore
from tasks.settings import QueueSettings, Settings
from tasks.tenants import RedisTenants, keys
from tasks.tenants.admin import TRIES, Entry, Ledger
from tasks.tenants.reader import agents
from tests.support.tenants import declare

NUMBER = "+15551234567"
ACME = f'[tenants.acme]\ntier = "premium"\nnumbers = ["{NUMBER}", "+15557654321"]\n'


@dataclass(frozen=True)
class Change:
    put: Mapping[str, Entry] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()


def putting(**entries: Entry) -> Change:
    return Change(entries)


@pytest.fixture
def client(rooms: RoomStore) -> Redis:
    return rooms.redis


@pytest.fixture
def tenants(client: Redis) -> RedisTenants:
    return RedisTenants(client, frozenset({"premium", "free"}))


@pytest.fixture
def ledger(client: Redis) -> Ledger:
    return Ledger(client)


async def test_a_tenant_is_what_was_last_written(client: Redis, tenants: RedisTenants) -> None:
    for greeting in ("Hello", "Good morning"):
        await declare(client, f'{ACME}greeting = "{greeting}"\n')
        assert (await tenants.get("acme")).greeting == greeting


async def test_a_tenant_that_there_is_not_is_unknown(client: Redis, tenants: RedisTenants) -> None:
    await declare(client, ACME)
    with pytest.raises(UnknownTenant, match=r"no tenant 'bolt'\. Declare it in a \[tenants\.bolt\] table, and apply"):
        await tenants.get("bolt")


async def test_a_tenant_is_found_by_each_of_its_numbers(client: Redis, tenants: RedisTenants) -> None:
    await declare(client, ACME)
    for number in (NUMBER, "+15557654321"):
        assert (await tenants.by_number(number)).id == "acme"
    with pytest.raises(UnknownNumber, match=r"No tenant has the number that was called\. Add it"):
        await tenants.by_number("+15550000000")


async def test_a_number_goes_with_its_tenant_and_may_go_to_another_one(
    client: Redis, tenants: RedisTenants, ledger: Ledger
) -> None:
    await declare(client, ACME)
    # In one step, and in an order in which the new owner is written before the old one lets go.
    await ledger.change(
        lambda _: putting(
            aaron=Entry({"tier": "free", "numbers": [NUMBER]}),
            acme=Entry({"tier": "free", "numbers": ["+15557654321"]}),
        )
    )
    assert (await tenants.by_number(NUMBER)).id == "aaron"
    await ledger.change(lambda _: Change(removed=frozenset({"aaron"})))
    with pytest.raises(UnknownNumber):
        await tenants.by_number(NUMBER)
    assert (await tenants.by_number("+15557654321")).id == "acme"


async def test_one_look_up_is_one_round_trip_and_never_takes_the_sealed_keys_along(
    client: Redis, tenants: RedisTenants, ledger: Ledger
) -> None:
    await ledger.change(lambda _: putting(acme=Entry({"tier": "free", "numbers": [NUMBER]}, {"stt": "s3al3d"})))
    # The script is known by now, as it is after the first call of a receiver.
    await tenants.by_number(NUMBER)
    async with client.monitor() as monitor:
        await tenants.get("acme")
        await tenants.by_number(NUMBER)
        await client.echo("that is all")
        seen: list[str] = []
        while not seen or seen[-1] != "ECHO that is all":
            seen.append((await monitor.next_command())["command"])
    connecting = {"HELLO", "CLIENT"}
    asked = [command.split()[0] for command in seen if command.split()[0] not in connecting]
    assert asked == ["HGET", "EVALSHA", "HGET", "HGET", "ECHO"]
    assert not [command for command in seen if keys.SEALED in command]


async def test_a_call_gets_its_tenant_and_its_sealed_keys_together(tenants: RedisTenants, ledger: Ledger) -> None:
    await ledger.change(
        lambda _: putting(acme=Entry({"tier": "free"}, {"stt": "s3al3d"}), bolt=Entry({"tier": "free"}, {"stt": "no"}))
    )
    tenant, sealed = await tenants.with_keys("acme")
    assert (tenant.id, sealed) == ("acme", {"stt": "s3al3d"})
    with pytest.raises(UnknownTenant):
        await tenants.with_keys("coral")


async def test_what_a_newer_version_has_written_does_not_keep_an_older_one_from_answering(
    client: Redis, tenants: RedisTenants
) -> None:
    await declare(client, f'{ACME}colour = "red"\n')
    assert (await tenants.get("acme")).tier == "premium"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('tier = "gold"', "tier 'gold' does not exist; the tiers are free, premium"),
        ('tier = "free"\nmax_calls = -1', "max_calls: Input should be greater than 0"),
    ],
)
async def test_a_tenant_that_another_configuration_has_applied_says_why_it_cannot_be_used(
    client: Redis, tenants: RedisTenants, table: str, problem: str
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
        assert await dispatcher.open(RoomSeen("RM_1", "call-acme-1")) is Opened.DEAD
        await declare(client, ACME)
        assert await dispatcher.open(RoomSeen("RM_2", "call-acme-2")) is Opened.QUEUED
        await declare(client, ACME.replace("premium", "free"))
        assert await dispatcher.open(RoomSeen("RM_3", "call-acme-3")) is Opened.QUEUED
    finally:
        await dispatcher.aclose()
    assert [room.queue for room in await rooms.list_open()] == ["premium", "free"]


async def test_a_change_is_planned_again_when_somebody_else_was_quicker(client: Redis, ledger: Ledger) -> None:
    await declare(client, ACME)
    seen: list[list[str]] = []
    blocking = connect_blocking(QueueSettings.model_validate({"redis_url": client_url(client)}))

    def plan(before: Mapping[str, Entry]) -> Change:
        seen.append(list(before))
        if len(seen) == 1:
            # Between the look and the write, and from another connection.
            blocking.hset(keys.TENANTS, "bolt", json.dumps({"tier": "free"}))
        return putting(**{f"number-{len(before)}": Entry({"tier": "free"})})

    with blocking:
        await ledger.change(plan)
    assert seen == [["acme"], ["acme", "bolt"]]
    assert set(await ledger.read()) == {"acme", "bolt", "number-2"}


async def test_whoever_changes_the_tenants_all_the_time_is_not_overwritten(client: Redis, ledger: Ledger) -> None:
    blocking = connect_blocking(QueueSettings.model_validate({"redis_url": client_url(client)}))
    count = 0

    def plan(before: Mapping[str, Entry]) -> Change:
        nonlocal count
        count += 1
        blocking.hset(keys.TENANTS, "bolt", json.dumps({"tier": "free", "max_calls": count}))
        return putting(bolt=Entry({"tier": "premium"}))

    with blocking, pytest.raises(TenantsBusy, match=f"{TRIES} times in a row. Nothing was changed here"):
        await ledger.change(plan)
    assert (await ledger.read())["bolt"].record == {"tier": "free", "max_calls": TRIES}


async def test_a_plan_that_fails_and_a_dry_run_write_nothing(client: Redis, ledger: Ledger) -> None:
    await declare(client, ACME)

    def fail(_: Mapping[str, Entry]) -> Change:
        raise UnknownTenant(tenant="bolt")

    with pytest.raises(UnknownTenant):
        await ledger.change(fail)
    await ledger.change(lambda _: Change(removed=frozenset({"acme"})), dry_run=True)
    assert set(await ledger.read()) == {"acme"}


async def test_a_tenant_that_goes_takes_its_sealed_keys_along(client: Redis, ledger: Ledger) -> None:
    await ledger.change(lambda _: putting(acme=Entry({"tier": "free", "numbers": [NUMBER]}, {"stt": "s3al3d"})))
    await ledger.change(lambda _: putting(acme=Entry({"tier": "free", "numbers": [NUMBER]})))
    assert await client.exists(keys.SEALED) == 0
    await ledger.change(lambda _: putting(acme=Entry({"tier": "free"}, {"stt": "s3al3d"})))
    await ledger.change(lambda _: Change(removed=frozenset({"acme"})))
    assert await client.exists(keys.TENANTS, keys.NUMBERS, keys.SEALED) == 0


async def test_ten_thousand_tenants_are_changed_in_one_step(
    client: Redis, tenants: RedisTenants, ledger: Ledger
) -> None:
    many = {
        f"tenant-{number}": Entry({"tier": "free", "numbers": [f"+1555{number:07}"]}, {"stt": "x" * 120})
        for number in range(10_000)
    }
    await ledger.change(lambda _: Change(many))
    assert await ledger.read() == dict(sorted(many.items()))
    assert (await tenants.by_number("+15550009999")).id == "tenant-9999"
    await ledger.change(lambda before: Change(removed=frozenset(before)))
    assert await ledger.read() == {}


async def test_a_worker_learns_the_agents_that_tenants_name(client: Redis, switchboard_env: dict[str, str]) -> None:
    await declare(
        client, f'{ACME}agent = "a:b"\n[tenants.bolt]\ntier = "x"\nagent = "c:d"\n[tenants.coral]\ntier = "free"\n'
    )
    with connect_blocking(QueueSettings.read()) as blocking:
        assert agents(blocking) == {"a:b", "c:d"}


def client_url(client: Redis) -> str:
    known = client.connection_pool.connection_kwargs
    return f"redis://:{known['password']}@{known['host']}:{known['port']}/0"
