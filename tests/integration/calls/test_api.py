"""What a backend can ask about calls, and that no key sees anything of another tenant's."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from livekit import api

from ops.stack import environment
from ops.stack.ports import PortPicker
from ops.stack.receiver import Receiver
from ops.stack.redis import RedisServer
from tasks.records import Database
from tasks.rooms import EndedBy, RoomStore, State
from tasks.rooms.erasures import ErasureRequest, ErasureRequests
from tasks.rooms.keys import ERASURES
from tasks.settings import DatabaseSettings
from tasks.tenants.api_key_store import ApiKeyAdmin
from tasks.tenants.api_keys import EVERY_TENANT, Scope
from tests.integration.calls.client import ACME_KEY, Answer, Client
from tests.integration.webhooks.sender import KEY, SECRET, Sender, event, new_sid
from tests.support.databases import OPENED_MS, attempt_entry, call_entry, write
from tests.support.outages import killed

pytestmark = pytest.mark.asyncio(loop_scope="module")

MONTH = "2026-09"
"""The month of OPENED_MS."""
ROUTES = {
    "GET /calls": Scope.CALLS_READ,
    "GET /calls/RM_old_acme": Scope.CALLS_READ,
    "GET /usage": Scope.USAGE_READ,
    "GET /concurrency": Scope.CALLS_READ,
    "DELETE /calls/RM_old_acme": Scope.CALLS_OPERATE,
    "POST /calls/RM_old_acme/erasure": Scope.CALLS_ERASE,
}


@dataclass(frozen=True)
class Keys:
    """Keys with all scopes but where the name says otherwise."""

    acme: str
    basic: str
    both: str
    every: str
    expired: str
    revoked: str
    without: Mapping[Scope, str]


@pytest_asyncio.fixture(loop_scope="module")
async def keys(rooms: RoomStore) -> Keys:
    admin = ApiKeyAdmin(rooms.redis)

    async def make(*tenants: str, without: Scope | None = None, expires_at: int | None = None) -> str:
        scopes = set(Scope) - {without}
        return (await admin.create(tenants=tenants, scopes=scopes, expires_at=expires_at))[0]

    revoked, key = await admin.create(tenants=["acme"], scopes=Scope)
    assert await admin.revoke(key.id)
    return Keys(
        acme=await make("acme"),
        basic=await make("basic"),
        both=await make("acme", "basic"),
        every=await make(EVERY_TENANT),
        expired=await make("acme", expires_at=int(time.time())),
        revoked=revoked,
        without={scope: await make("acme", without=scope) for scope in Scope},
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(database: DatabaseSettings) -> DatabaseSettings:
    """A database with a call of each tenant that is over."""
    async with Database.open(database) as opened:
        for number, tenant in enumerate(("acme", "basic")):
            sid, ms = f"RM_old_{tenant}", OPENED_MS + number
            given = {"tenant": tenant, "opened_ms": ms, "number": f"+4930{number}"}
            await write(
                opened,
                [
                    attempt_entry(sid, ending="lost", **given),  # type: ignore[arg-type]
                    attempt_entry(sid, attempt=2, **given),  # type: ignore[arg-type]
                    call_entry(sid, attempts=2, **given),  # type: ignore[arg-type]
                ],
            )
    return database


async def ask(client: Client, request: str, key: str | None, **headers: str) -> Answer:
    method, path = request.split(" ", 1)
    sent = {} if key is None else {"Authorization": f"Bearer {key}"}
    return await client.send(method, path, b"", sent | {name.replace("_", "-"): text for name, text in headers.items()})


async def create(client: Client, tenant: str, key: str) -> str:
    answer = await client.call({"tenant_id": tenant}, key=key)
    assert answer.status == 201, answer.text
    return str(answer.json["sid"])


def listed(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return [call["sid"] for call in answer.json["calls"]]


@pytest.mark.usefixtures("recorded")
async def test_a_key_sees_nothing_of_another_tenant(backend: Client, rooms: RoomStore, keys: Keys) -> None:
    live = {tenant: await create(backend, tenant, keys.every) for tenant in ("acme", "basic")}
    sids = {tenant: [live[tenant], f"RM_old_{tenant}"] for tenant in live}
    of = {"acme": keys.acme, "basic": keys.basic}

    for tenant, other in (("acme", "basic"), ("basic", "acme")):
        assert listed(await ask(backend, "GET /calls", of[tenant])) == sids[tenant]
        for parameter in ("state=live", "state=over", "number=%2B4930*", f"room=call-{other}-*", "limit=1"):
            found = listed(await ask(backend, f"GET /calls?{parameter}", of[tenant]))
            assert not set(found) & set(sids[other]), parameter
        # A cursor of one's own list and of the other's are positions in time, and open nothing.
        page = await ask(backend, "GET /calls?limit=1", of[other])
        found = listed(await ask(backend, f"GET /calls?cursor={page.json['next_cursor']}", of[tenant]))
        assert not set(found) & set(sids[other])
        usage = (await ask(backend, f"GET /usage?month={MONTH}", of[tenant])).json["tenants"]
        assert [(each["tenant_id"], each["calls"]) for each in usage] == [(tenant, 1)]
        now = (await ask(backend, "GET /concurrency", of[tenant])).json["tenants"]
        assert [(each["tenant_id"], each["queued"]) for each in now] == [(tenant, 1)]
        for route in ("/calls", "/usage", "/concurrency"):
            refused = await ask(backend, f"GET {route}?tenant_id={other}", of[tenant])
            unknown = await ask(backend, f"GET {route}?tenant_id=nobody", of[tenant])
            assert refused.problem == unknown.problem == (403, "tenant_forbidden", ["tenant_id"])
        for request in ("GET /calls/{}", "DELETE /calls/{}", "POST /calls/{}/erasure"):
            unknown = await ask(backend, request.format("RM_nothing"), of[tenant])
            for sid in sids[other]:
                refused = await ask(backend, request.format(sid), of[tenant])
                # Not a word differs from the answer about a call that never was.
                assert (refused.problem, refused.text) == ((404, "call_unknown", []), unknown.text)
    for sid in live.values():
        room = await rooms.get(sid)
        assert room is not None
        assert room.state is State.QUEUED
    assert await ErasureRequests(rooms.redis).oldest(10) == []


@pytest.mark.usefixtures("recorded")
async def test_each_route_needs_its_scope_and_a_valid_key(
    backend: Client, keys: Keys, rooms: RoomStore, server: api.LiveKitAPI
) -> None:
    caller = (await backend.call({"tenant_id": "acme"}, key=keys.acme)).json["token"]
    for route, scope in ROUTES.items():
        refusals: dict[str | None, tuple[int, str, list[str]]] = {
            None: (401, "api_key_missing", []),
            keys.expired: (401, "api_key_expired", []),
            keys.revoked: (401, "api_key_unknown", []),
            keys.acme[:-1] + ("0" if keys.acme[-1] != "0" else "1"): (401, "api_key_unknown", []),
            caller: (401, "api_key_unknown", []),
            # It is for creating calls alone.
            ACME_KEY: (403, "scope_missing", []),
            keys.without[scope]: (403, "scope_missing", []),
        }
        for key, problem in refusals.items():
            assert (await ask(backend, route, key)).problem == problem, (route, problem)
        for other in set(Scope) - {scope}:
            assert (await ask(backend, route, keys.without[other])).status in {200, 202, 409}
    assert (await backend.call({"tenant_id": "acme"}, key=keys.without[Scope.CALLS_CREATE])).status == 403
    await rooms.redis.delete(ERASURES)


@pytest.mark.usefixtures("recorded")
async def test_a_call_is_told_with_its_attempts_and_without_what_is_the_operators(backend: Client, keys: Keys) -> None:
    told = await ask(backend, "GET /calls/RM_old_acme", keys.acme)

    call = told.json
    assert (call["state"], call["source"], call["outcome"], call["ended_by"]) == (
        "ended",
        "record",
        "room empty",
        "callers",
    )
    assert [(each["ending"], each["turns"]) for each in call["attempts"]] == [("lost", 4), ("ended", 4)]
    assert {(each["unit"], each["amount"]) for each in call["usage"]} >= {("input_tokens", 240.0)}
    assert call["opened_at"].endswith("Z")
    # A worker's name is that of a host.
    assert "premium@" not in told.text
    assert "worker" not in told.text
    # Nothing has changed: the body is not sent again.
    etag = told.headers["ETag"]
    for sent in (etag, f'"x", W/{etag}', "*"):
        again = await ask(backend, "GET /calls/RM_old_acme", keys.acme, If_None_Match=sent)
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", etag)
    assert (await ask(backend, "GET /calls/RM_old_acme", keys.acme, If_None_Match='"x"')).status == 200


@pytest.mark.usefixtures("recorded")
async def test_a_live_call_is_ended_once_and_then_it_is_over(backend: Client, keys: Keys, rooms: RoomStore) -> None:
    waiting, running = [await create(backend, "acme", keys.acme) for _ in range(2)]
    await rooms.claim(running, 1, claimant="a", worker="one@host", pid=7)
    assert (await ask(backend, f"GET /calls/{running}", keys.acme)).json["state"] == "running"

    ended = await ask(backend, f"DELETE /calls/{waiting}", keys.acme)
    assert (ended.status, ended.json) == (202, {"sid": waiting, "state": "ended"})
    ending = await ask(backend, f"DELETE /calls/{running}", keys.acme)
    assert (ending.status, ending.json) == (202, {"sid": running, "state": "ending"})
    assert await rooms.end(running, 1, outcome="room finished")

    for sid in (waiting, running, "RM_old_acme"):
        assert (await ask(backend, f"DELETE /calls/{sid}", keys.acme)).problem == (409, "call_over", [])
    # Its record is not written yet: Redis knows how it has ended.
    over = (await ask(backend, f"GET /calls/{running}", keys.acme)).json
    assert (over["state"], over["source"], over["ended_by"]) == ("ended", "live", EndedBy.OPERATOR.value)
    assert {record.outcome for record in await rooms.list_call_records()} == {"ended by a backend"}


@pytest.mark.usefixtures("recorded")
async def test_a_call_is_asked_to_be_erased_once_it_is_over(backend: Client, keys: Keys, rooms: RoomStore) -> None:
    requests = ErasureRequests(rooms.redis)
    sid = await create(backend, "acme", keys.acme)
    assert (await ask(backend, f"POST /calls/{sid}/erasure", keys.acme)).problem == (409, "call_open", [])
    assert (await ask(backend, f"DELETE /calls/{sid}", keys.acme)).status == 202
    # Its record, which the writer would bring back, is not written yet.
    assert (await ask(backend, f"POST /calls/{sid}/erasure", keys.acme)).problem == (409, "call_open", [])
    assert await requests.oldest(10) == []
    for key in (keys.acme, keys.both, keys.every, keys.acme):
        asked = await ask(backend, "POST /calls/RM_old_acme/erasure", key)
        assert (asked.status, asked.json) == (202, {"sid": "RM_old_acme", "state": "requested"})
    # One of each key, by its id: whose it was goes into the audit log.
    ids = [key.split("_")[1] for key in (keys.acme, keys.both, keys.every)]
    assert await requests.oldest(10) == [ErasureRequest("acme", "RM_old_acme", key) for key in ids]
    await rooms.redis.delete(ERASURES)


@pytest.mark.usefixtures("recorded")
async def test_a_key_for_several_tenants_names_the_one_that_it_asks_about(backend: Client, keys: Keys) -> None:
    assert (await ask(backend, "GET /calls", keys.both)).problem == (422, "tenant_unnamed", ["tenant_id"])
    assert (await ask(backend, "GET /usage", keys.both)).problem == (422, "tenant_unnamed", ["tenant_id"])
    assert listed(await ask(backend, "GET /calls?tenant_id=basic", keys.both)) == ["RM_old_basic"]
    assert (await ask(backend, "GET /calls/RM_old_basic", keys.both)).json["tenant_id"] == "basic"
    now = (await ask(backend, "GET /concurrency", keys.both)).json["tenants"]
    assert [each["tenant_id"] for each in now] == ["acme", "basic"]
    assert listed(await ask(backend, "GET /calls?state=over", keys.every)) == ["RM_old_basic", "RM_old_acme"]
    everybody = (await ask(backend, "GET /concurrency", keys.every)).json["tenants"]
    assert {"tenant_id": "small", "tier": "free", "running": 0, "queued": 0, "waiting": 0, "max_calls": 1} in everybody
    assert (await ask(backend, "GET /concurrency?tenant_id=nobody", keys.every)).problem[:2] == (404, "tenant_unknown")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("state=gone", "state"),
        ("since=yesterday", "since"),
        ("since=2026-11-30T12:00:00", "since"),
        ("cursor=abc", "cursor"),
        ("tenant=acme", "tenant"),
        # Not all of them, which a backend that has lost its customer's id would show it.
        ("tenant_id=", "tenant_id"),
        ("room=a%00b", "room"),
    ],
)
async def test_a_parameter_that_is_not_valid_is_named(backend: Client, keys: Keys, parameters: str, field: str) -> None:
    refused = await ask(backend, f"GET /calls?{parameters}", keys.acme)
    assert refused.problem == (422, "fields_invalid", [field])


@pytest.mark.usefixtures("recorded")
async def test_a_plus_that_was_not_encoded_is_understood(backend: Client, keys: Keys) -> None:
    number = await ask(backend, "GET /calls?number=+49300", keys.acme)
    since = await ask(backend, "GET /calls?since=2026-09-01T00:00:00+02:00&until=2026-10-01T00:00:00Z", keys.acme)
    assert listed(number) == listed(since) == ["RM_old_acme"]


async def test_a_request_with_a_key_is_to_be_tried_again_while_redis_is_away(
    backend: Client, keys: Keys, redis_server: RedisServer
) -> None:
    async with killed(redis_server):
        for route in ROUTES:
            refused = await ask(backend, route, keys.acme)
            assert (refused.problem[:2], refused.headers["Retry-After"]) == ((503, "unavailable"), "2")
        # What has not the form of a key is refused all the same.
        assert (await ask(backend, "GET /calls", "nonsense")).status == 401


@pytest_asyncio.fixture(loop_scope="module")
async def without_database(directory: Path, settings: dict[str, str], ports: PortPicker) -> AsyncIterator[Receiver]:
    """A receiver whose database accepts connections and says nothing."""
    # The kernel accepts, and nobody reads.
    hung = socket.create_server(("127.0.0.1", 0), backlog=200)
    port = hung.getsockname()[1]
    env = environment.inherited() | settings
    env |= {
        "SWITCHBOARD_DATABASE_URL": f"postgresql://a:b@127.0.0.1:{port}/c",
        "SWITCHBOARD_WEBHOOK_KEYS": f"{KEY}:{SECRET}",
    }
    receiver = Receiver("receiver-database", directory, env, port=ports.pick())
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
        hung.close()


async def test_webhooks_and_calls_do_not_wait_for_a_database_that_hangs(without_database: Receiver, keys: Keys) -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(session, without_database.port)
        began = time.monotonic()
        # More than its pool has connections.
        asking = [asyncio.create_task(ask(client, "GET /calls", keys.acme)) for _ in range(30)]
        await asyncio.sleep(0.2)
        sender = Sender(session, without_database.port)
        slowest = 0.0
        while not all(task.done() for task in asking):
            at = time.monotonic()
            answer = await sender.post(event("room_started", new_sid()))
            slowest = max(slowest, time.monotonic() - at)
            assert (answer.status, answer.outcome) == (200, "queued")
        assert await create(client, "acme", keys.acme)
        live: dict[str, Any] = (await ask(client, "GET /calls?state=live", keys.acme)).json
        assert live["calls"]
        refused = {(task.result().problem[:2], task.result().headers["Retry-After"]) for task in asking}
    assert refused == {((503, "records_unavailable"), "5")}
    assert time.monotonic() - began < 20
    # None waits for as long as the database may.
    assert slowest < 2.5
