"""Redis' users: each may do what its processes do, and nothing else. A real Redis has them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from ops.commands.doctor.installation import Installation
from ops.commands.doctor.redis_access import access
from ops.docker.secret_files import REDIS_USERS, write
from ops.metrics.exporter import Exporter
from ops.stack import environment
from ops.stack.ports import HOST, PortPicker
from ops.stack.redis import RedisServer
from tasks.background.notices import NoticeStore
from tasks.reconcile.admission import AdmissionSweep
from tasks.reconcile.rescuer import Rescuer
from tasks.records.stream import RecordStream
from tasks.rooms import ClaimRefusal, LossCause, RoomStore, keys
from tasks.rooms.webhook_check import WebhookCheck
from tasks.settings import MetricsSettings, Settings, TierSettings
from tasks.tenants import TenantReader
from tasks.tenants import keys as tenant_keys
from tasks.tenants.api_key_store import ApiKeyAdmin, ApiKeyReader
from tasks.tenants.api_keys import Scope
from tests.integration.tasks.background.office import Office
from tests.support import redis_with_tls
from tests.support.backend import backend
from tests.support.rooms import open_some_room
from tests.support.tenants import declare, signer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = '[tenants.acme]\ntier = "premium"\nnumbers = ["+15551234567"]\n'
Users = dict[str, Redis]


class RedisWithUsers(RedisServer):
    """A redis-server with the users of the composition, and one of the tests."""

    users: Path

    def command(self) -> list[str]:
        return [*super().command(), "--include", str(self.users)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def users(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Users]:
    """A client for each user."""
    folder = tmp_path_factory.mktemp("users") / "files"
    write(folder)
    (folder / "redis_users").chmod(0o600)
    # Here the readiness check is the default user's; in the composition it is off.
    text = (folder / "redis_users").read_text(encoding="utf-8").replace("user default reset off +@all ~* &*\n", "")
    (folder / "redis_users").write_text(text, encoding="utf-8")
    server = RedisWithUsers(
        folder, environment.inherited(()), binary=str(redis_with_tls.binary(folder)), port=PortPicker().pick()
    )
    server.users = folder / "redis_users"
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        clients: Users = {"tester": await stack.enter_async_context(server.client())}
        for user in REDIS_USERS:
            url = (folder / f"redis_url_{user}").read_text(encoding="utf-8").strip()
            client = Redis.from_url(url.replace("redis:6379", f"{HOST}:{server.port}"), decode_responses=True)
            clients[user] = await stack.enter_async_context(client)
        yield clients


@pytest_asyncio.fixture(loop_scope="module")
async def declared(users: Users) -> Users:
    await users["tester"].flushdb()
    await users["tester"].acl_log_reset()
    # With the commands of `switchboard tenants apply`, as its user.
    await declare(users["tenants"], TENANTS)
    return users


async def open_room(redis: Redis, sid: str, *, notices: bool = False) -> None:
    await open_some_room(RoomStore(redis), sid, notices=notices)


async def test_receivers_and_workers_do_all_that_they_have_to(declared: Users) -> None:
    receiver, worker = RoomStore(declared["receiver"]), RoomStore(declared["worker"])
    tiers = frozenset({"premium"})
    await receiver.save_agent_metadata("call-acme-RM_1", b"encrypted")
    for sid in ("RM_1", "RM_2", "RM_3", "RM_4"):
        await open_room(declared["receiver"], sid)
    tenants = TenantReader(declared["receiver"], tiers)
    assert (await tenants.get_by_number("+15551234567")).id == "acme"
    assert await tenants.get_first(["nobody", "acme"])
    presented, key = await ApiKeyAdmin(declared["tenants"]).create(tenants=["acme"], scopes=[Scope.CALLS_READ])
    backends = ApiKeyReader(declared["receiver"])
    assert await backends.find(presented) == key
    await backends.note_use(key)
    assert await ApiKeyAdmin(declared["tenants"]).revoke(key.id)
    assert (await TenantReader(declared["worker"], tiers, signer()).get_with_keys("acme"))[0].id == "acme"
    for sid in ("RM_1", "RM_2", "RM_3"):
        assert not isinstance(await worker.claim(sid, 1, claimant="a", worker="w", pid=1), ClaimRefusal)
        await worker.renew(sid, 1)
        await worker.renew(sid, 1, steps={"joined": 5}, conversation=b"encrypted")
    assert await worker.conversation("RM_1") == b"encrypted"
    assert await worker.end("RM_1", 1, outcome="room empty")
    await worker.requeue("RM_2", 1, queue="premium", message=b"{}", reason="x", max_attempts=5, cause=LossCause.FAILED)
    assert await worker.dead_letter("RM_3", attempt=1, reason="x")
    await worker.return_message("RM_4", 1)
    await receiver.close("RM_4")
    await receiver.dead_letter("RM_5", attempt=None, reason="x", name="y")
    await receiver.hold_leadership("me", 1000)
    await receiver.requeue_lost_messages(0, 10)
    await receiver.opened_ms()
    await receiver.look_up(["RM_1", "RM_2"])
    rescuer = Rescuer(receiver, 5)
    await rescuer.requeue_lost_calls()
    await rescuer.requeue_lost_messages()
    await AdmissionSweep(receiver, tenants, TierSettings.read({})).sweep()
    operator = RoomStore(declared["operator"])
    assert len(await operator.list_all()) == 5
    assert await operator.list_dead_letters()
    assert await operator.list_call_records()
    stream = RecordStream(declared["records"], "one")
    await stream.create_group()
    await stream.liveness.renew()
    await stream.acknowledge(await stream.read_new())
    assert await stream.claim_left() == []
    await stream.count_rejected(1)
    await stream.forget_writers()
    await stream.leave()
    exporter = Exporter(declared["exporter"], TierSettings.read({}), MetricsSettings.read({}), address="redis")
    shown = {sample.name: sample.value for family in await exporter.collect() for sample in family.samples}
    assert shown["switchboard_redis_up"] == 1
    assert "switchboard_records_unwritten_seconds" in shown
    assert "switchboard_rooms" in shown
    # redis-py tells its name with CLIENT SETINFO, which a Redis before 7.2 does not know.
    refused = [(entry["username"], entry["object"]) for entry in await declared["tester"].acl_log()]
    assert [entry for entry in refused if entry[1] != "client"] == []


async def test_background_workers_do_all_that_they_have_to(declared: Users) -> None:
    await open_room(declared["receiver"], "RM_1", notices=True)
    await RoomStore(declared["worker"]).waitlist.expire_waits("premium", -1, reason="x", limit=1)
    async with Office.open(declared["background"]) as office, backend() as serving:
        await Office(**{**vars(office), "redis": declared["tenants"]}).declare(acme=serving.url)
        operator = NoticeStore(declared["operator"], office.settings.notices)
        test = await operator.test("acme")
        await office.work_until(lambda: len(serving.received) == 3)
        assert await operator.resend(test)
        await office.work_until(lambda: len(serving.received) == 4)
        await office.store.forget_backend("acme")
        await office.turn()
        assert (await operator.backends(["acme"]))[0].pending == 0
    refused = [(entry["username"], entry["object"]) for entry in await declared["tester"].acl_log()]
    assert [entry for entry in refused if entry[1] != "client"] == []


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("receiver", "user receiver may do what receivers need, and not what workers need"),
        ("worker", "user worker may do what workers need, and not what receivers need"),
        ("background", "user background may do what background workers need, and not what receivers and workers need"),
        ("operator", "user operator may do what receivers and workers need"),
        ("flower", "user flower may not do what a worker does: ZREM switchboard:rooms, "),
    ],
)
async def test_the_doctor_finds_for_each_user_what_it_may_do(declared: Users, user: str, found: str) -> None:
    url = f"redis://{user}:password@redis:6379/0"
    settings = Settings.read({"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret", "REDIS_URL": url})
    nobody = cast("Any", None)
    installation = Installation(settings, declared[user], nobody, nobody, webhook_seconds=1)
    (finding,) = [finding async for finding in access(installation)]
    assert finding.text.startswith(found)
    # Nothing that it has tried was done.
    assert set(await declared["tester"].keys()) == {tenant_keys.TENANTS, tenant_keys.NUMBERS, tenant_keys.SIGNATURES}


async def test_a_receiver_notes_the_webhook_of_a_check_and_the_operator_reads_it(declared: Users) -> None:
    await WebhookCheck(declared["receiver"], "room").note("room_started", receiver="here:7", received_ms=5)
    check = WebhookCheck(declared["operator"], "room")
    (noted,) = await check.read()
    assert (noted.event, noted.receiver, noted.received_ms) == ("room_started", "here:7", 5)
    assert 0 < await declared["tester"].pttl(keys.webhook_check("room")) <= keys.WEBHOOK_CHECK_MS
    await check.forget()
    assert not await declared["tester"].exists(keys.webhook_check("room"))


SET, HSET, GET, HGET = "SET", "HSET", "GET", "HGET"
FORBIDDEN: dict[str, list[tuple[str, ...]]] = {
    "receiver": [
        ("HGETALL", tenant_keys.PROVIDER_KEYS),
        ("HGETALL", tenant_keys.SIGNATURES),
        (HSET, tenant_keys.PROVIDER_KEYS, "acme", "x"),
        (HSET, tenant_keys.SIGNATURES, "acme", "x"),
        ("SUBSCRIBE", "/0.celery.pidbox"),
        ("PUBLISH", "/0.celery.pidbox", "x"),
        (SET, "unacked", "x"),
        ("SCRIPT", "FLUSH"),
    ],
    "worker": [
        ("HGET", tenant_keys.NUMBERS, "x"),
        ("HGET", tenant_keys.API_KEYS, "x"),
        (SET, keys.LEADER, "x"),
        (SET, "switchboard:idempotency:x", "x"),
        ("PUBLISH", "another", "x"),
        ("PSUBSCRIBE", "*"),
    ],
    "background": [
        ("HGETALL", keys.room("RM_1")),
        (GET, keys.conversation("RM_1")),
        (SET, keys.NOTIFY, "x"),
        ("LPUSH", "premium", "x"),
        ("HDEL", "unacked", "x"),
        ("SUBSCRIBE", "/0.celery.pidbox"),
        ("SCRIPT", "FLUSH"),
    ],
    "flower": [
        ("HGETALL", keys.room("RM_1")),
        (GET, keys.conversation("RM_1")),
        ("HGETALL", tenant_keys.TENANTS),
        ("HGETALL", tenant_keys.PROVIDER_KEYS),
        ("ZRANGE", keys.LEASES, "0", "-1"),
        ("PUBLISH", "another", "x"),
    ],
    "exporter": [
        (GET, keys.conversation("RM_1")),
        ("HGETALL", tenant_keys.TENANTS),
        ("HGETALL", tenant_keys.PROVIDER_KEYS),
        ("HGETALL", tenant_keys.SIGNATURES),
        ("DEL", keys.METRICS),
        ("SCRIPT", "FLUSH"),
    ],
    "probe": [
        (GET, keys.conversation("RM_1")),
        ("HGETALL", tenant_keys.TENANTS),
        ("HGETALL", tenant_keys.PROVIDER_KEYS),
        ("XRANGE", keys.CALLS, "-", "+"),
        ("ZRANGE", keys.ROOMS, "0", "-1"),
        ("EVAL", "return 1", "0"),
    ],
    "records": [
        ("HGETALL", keys.room("RM_1")),
        (GET, keys.conversation("RM_1")),
        ("HGETALL", tenant_keys.TENANTS),
        ("XADD", keys.CALLS, "*", "kind", "call"),
        ("XDEL", keys.CALLS, "1-0"),
        ("XTRIM", keys.CALLS, "MAXLEN", "0"),
        ("DEL", keys.CALLS),
        ("EVAL", "return 1", "0"),
    ],
    "tenants": [
        ("HGETALL", keys.room("RM_1")),
        (GET, keys.conversation("RM_1")),
        ("LPUSH", "premium", "x"),
        ("DEL", tenant_keys.TENANTS),
        ("EVAL", "return 1", "0"),
        ("SCRIPT", "FLUSH"),
    ],
    "operator": [("CONFIG", "GET", "*"), ("ACL", "LIST"), ("FLUSHALL",), ("MONITOR",), ("SHUTDOWN",), ("KEYS", "*")],
}
FORBIDDEN_TO_EVERYBODY = [
    ("CONFIG", "GET", "requirepass"),
    ("CONFIG", "SET", "dir", "/data"),
    ("ACL", "SETUSER", "x", "on"),
    ("ACL", "GETUSER", "worker"),
    ("MODULE", "LIST"),
    ("REPLICAOF", "NO", "ONE"),
    ("MONITOR",),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CLIENT", "LIST"),
    ("SAVE",),
]
READ_ONLY: dict[str, list[tuple[str, ...]]] = {
    "receiver": [
        (HSET, tenant_keys.TENANTS, "acme", "x"),
        (HSET, tenant_keys.API_KEYS, "x", "x"),
        (HSET, tenant_keys.NUMBERS, "+1", "x"),
        (HSET, keys.worker("celery@x"), "state", "open"),
    ],
    "worker": [
        (HSET, tenant_keys.TENANTS, "acme", "x"),
        (HSET, tenant_keys.PROVIDER_KEYS, "acme", "x"),
        (HSET, tenant_keys.SIGNATURES, "acme", "x"),
    ],
    "background": [
        (HSET, tenant_keys.TENANTS, "acme", "x"),
        (HSET, tenant_keys.PROVIDER_KEYS, "acme", "x"),
        (HSET, tenant_keys.SIGNATURES, "acme", "x"),
    ],
    "flower": [("LPUSH", "premium", "x"), ("DEL", "premium")],
    "probe": [
        (HSET, keys.room("RM_1"), "state", "ended"),
        ("DEL", keys.worker("celery@x")),
    ],
    "exporter": [
        (HSET, keys.room("RM_1"), "state", "ended"),
        (HSET, keys.COUNTERS, "ticked_ms", "1"),
        (HSET, keys.worker("celery@x"), "state", "open"),
    ],
}


def rows(table: dict[str, list[tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return [(user, command) for user, commands in table.items() for command in commands]


@pytest.mark.parametrize(
    ("user", "command"),
    [*rows(FORBIDDEN), *((user, command) for user in REDIS_USERS for command in FORBIDDEN_TO_EVERYBODY)],
)
async def test_what_a_user_does_not_need_is_refused(declared: Users, user: str, command: tuple[str, ...]) -> None:
    with pytest.raises(NoPermissionError):
        await cast("Any", declared[user]).execute_command(*command)


@pytest.mark.parametrize(("user", "command"), rows(READ_ONLY))
async def test_what_a_user_only_reads_it_cannot_write(declared: Users, user: str, command: tuple[str, ...]) -> None:
    with pytest.raises(NoPermissionError):
        await cast("Any", declared[user]).execute_command(*command)


async def test_a_script_does_not_lend_a_user_what_it_may_not_do(declared: Users) -> None:
    stealing: Callable[..., Any] = declared["receiver"].eval
    with pytest.raises(Exception, match=r"(?i)permission|not allowed|can't access"):
        await stealing("return redis.call('HGETALL', 'switchboard:provider_keys')", 0)


def patterns(user: str) -> list[str]:
    text = (Path(__file__).parents[3] / "ops" / "docker" / "redis_users.conf").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^user {user} .*", text, re.MULTILINE)
    return re.findall(r"(?:%[RW])?~(\S+)", line)


@pytest.mark.parametrize("user", ["receiver", "worker"])
async def test_each_key_of_rooms_is_one_of_receivers_and_of_workers(user: str) -> None:
    """A new key needs a pattern in redis_users.conf."""
    names = {value for value in vars(keys).values() if isinstance(value, str) and value.startswith(keys.PREFIX)}
    names -= {keys.PREFIX, keys.METRICS, keys.RECORD_WRITER}
    names -= {keys.LEADER, keys.WEBHOOK_CHECK_PREFIX, keys.ERASURES} if user == "worker" else set()
    assert {name for name in names if name not in patterns(user) and f"{name}*" not in patterns(user)} == set()
