"""Every command and every health check of docker-compose.yml, run as a process on this machine.

`installation` starts all services but the workers, which share a node name on one host and so run one after the other.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from livekit import api
from prometheus_client.parser import text_string_to_metric_families
from redis import asyncio as aioredis

from ops.docker.secret_files import LIVEKIT_API_KEY
from tasks.background.notices import NoticeState, NoticeStore
from tasks.rooms import Room, RoomStore, State
from tasks.settings import NoticeSettings
from tasks.tenants.admin import TenantAdmin
from tests.integration.compose.composition import services
from tests.integration.compose.conftest import Installation
from tests.support import waiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKERS = ("worker-premium", "worker-standard")
NOT_HERE = "grafana"
"""No package of Debian brings it. Its dashboards and their queries have tests of their own."""


async def until(store: RoomStore, sid: str, state: State) -> Room:
    async with asyncio.timeout(30):
        while (room := await store.get(sid)) is None or room.state is not state:  # noqa: ASYNC110 - it is in Redis
            await asyncio.sleep(0.05)
    return room


@asynccontextmanager
async def rooms(installation: Installation) -> AsyncIterator[RoomStore]:
    async with aioredis.Redis.from_url(installation.redis_url, decode_responses=True) as redis:
        yield RoomStore(redis)


@asynccontextmanager
async def queued_room(installation: Installation) -> AsyncIterator[Room]:
    """A room at LiveKit, waiting for a worker. Afterwards it is finished, so that no worker finds it."""
    async with api.LiveKitAPI(installation.livekit_url, LIVEKIT_API_KEY, installation.livekit_secret) as livekit:
        made = await livekit.room.create_room(api.CreateRoomRequest(name="call-acme-1"))
        async with rooms(installation) as store:
            yield await until(store, made.sid, State.QUEUED)
        await livekit.room.delete_room(api.DeleteRoomRequest(room="call-acme-1"))
        async with rooms(installation) as store:
            await until(store, made.sid, State.CANCELLED)


async def status(url: str, method: str = "GET", **options: object) -> int:
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as answer:  # type: ignore[arg-type]
        return answer.status


async def test_each_service_runs_with_its_command_and_is_healthy_by_its_health_check(
    installation: Installation,
) -> None:
    started = {*installation.containers, *WORKERS, "probe"}
    assert started | {NOT_HERE} == set(services()), "a service that no test starts"
    assert [name for name, container in installation.containers.items() if not container.running] == ["tenants"]


async def test_the_tenants_file_is_in_redis_before_the_receivers_start(installation: Installation) -> None:
    async with aioredis.Redis.from_url(installation.redis_url, decode_responses=True) as redis:
        assert set(await TenantAdmin(redis).read()) == {"acme", "corner"}
    assert "2 added, 0 changed, 0 removed, 0 unchanged" in installation.containers["tenants"].log.read_text()


async def test_a_room_at_livekit_becomes_a_queued_call_by_way_of_the_balancer(installation: Installation) -> None:
    async with queued_room(installation) as room:
        assert (room.tenant, room.queue) == ("acme", "premium")


async def test_a_queued_room_survives_a_restart_of_redis(installation: Installation) -> None:
    async with queued_room(installation) as room:
        redis = installation.containers["redis"]
        await redis.stop()
        await redis.start()
        async with rooms(installation) as store:
            assert await store.list_open() == [room]


async def test_redis_lets_nobody_in_without_a_password_but_the_health_check(installation: Installation) -> None:
    without = f"redis://{installation.redis_url.partition('@')[2]}"
    async with aioredis.Redis.from_url(without) as stranger:
        with pytest.raises(aioredis.AuthenticationError):
            await stranger.get("x")
    async with aioredis.Redis.from_url(without, username="health", password="none") as health:
        with pytest.raises(aioredis.ResponseError, match=r"(?i)no permissions"):
            await health.get("x")


async def test_livekit_and_the_balancer_have_metrics_for_prometheus(installation: Installation) -> None:
    for url, name in [
        (installation.livekit_metrics_url, "livekit_room_total"),
        (installation.balancer_metrics_url, "haproxy_server_status"),
    ]:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            families = text_string_to_metric_families(await answer.text())
            assert name in {sample.name for family in families for sample in family.samples}


async def test_the_balancer_lets_only_webhooks_through(installation: Installation) -> None:
    assert await status(installation.webhook_url, "POST", data=b"{}") == HTTPStatus.UNAUTHORIZED
    assert await status(installation.webhook_url.replace("/livekit/webhook", "/metrics")) == HTTPStatus.NOT_FOUND


async def test_the_balancer_goes_on_with_the_receiver_that_is_left(installation: Installation) -> None:
    receiver = installation.containers["receiver-1"]
    await receiver.stop()
    try:
        for _ in range(4):
            assert await status(installation.webhook_url, "POST", data=b"{}") == HTTPStatus.UNAUTHORIZED
    finally:
        await receiver.start()


async def test_the_background_worker_takes_notices_as_a_user_of_redis_who_may_do_little(
    installation: Installation,
) -> None:
    async with aioredis.Redis.from_url(installation.redis_url, decode_responses=True) as redis:
        store = NoticeStore(redis, NoticeSettings.read({}))
        test = await store.test("acme")

        async def taken() -> bool:
            notice = await store.get(test)
            # The tenant of the composition has no backend.
            return notice is not None and notice.state is NoticeState.GIVEN_UP

        await waiting.until(taken)
        log = await redis.acl_log()
    # CLIENT SETINFO, which a Redis before 7.2 does not know.
    assert [entry for entry in log if entry["username"] == "background" and entry["object"] != "client"] == []


async def test_flower_asks_for_the_password_and_lets_nobody_change_anything(installation: Installation) -> None:
    workers = f"{installation.flower_url}/api/workers"
    operator = {"Authorization": aiohttp.encode_basic_auth("operator", installation.flower_password)}
    guest = {"Authorization": aiohttp.encode_basic_auth("operator", "guess")}
    assert await status(workers) == HTTPStatus.UNAUTHORIZED
    assert await status(workers, headers=guest) == HTTPStatus.UNAUTHORIZED
    assert await status(workers, headers=operator) == HTTPStatus.OK
    shutdown = f"{installation.flower_url}/api/worker/shutdown/celery@anything"
    assert await status(shutdown, "POST", headers=operator) == HTTPStatus.FORBIDDEN


async def test_prometheus_scrapes_exporter_and_receivers_and_knows_the_rules_and_alertmanager(
    installation: Installation,
) -> None:
    async def answer(path: str) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{installation.prometheus_url}/api/v1/{path}") as got,
        ):
            return (await got.json())["data"]

    async def scraped() -> bool:
        found = await answer('query?query=up{job=~"switchboard.*"}')
        return [series["value"][1] for series in found["result"]] == ["1", "1", "1"]

    async def told() -> bool:
        return len((await answer("alertmanagers"))["activeAlertmanagers"]) == 1

    await waiting.until(scraped)
    await waiting.until(told)
    groups = (await answer("rules"))["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert {group["name"] for group in groups} >= {"switchboard-calls", "switchboard-parts"}


async def test_the_exporter_shows_the_installation_as_a_user_of_redis_who_may_do_little(
    installation: Installation,
) -> None:
    async with (
        queued_room(installation),
        aiohttp.ClientSession() as session,
        session.get(installation.exporter_url) as answer,
    ):
        lines = (await answer.text()).splitlines()
    assert "switchboard_redis_up 1.0" in lines
    assert "switchboard_reconciler_up 1.0" in lines
    assert 'switchboard_rooms{state="queued",tier="premium"} 1.0' in lines
    assert 'switchboard_tier_promise_seconds{tier="premium"} 5.0' in lines


async def test_an_operator_signs_in_at_the_console_and_does_all_that_it_offers(installation: Installation) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    own = {"Sec-Fetch-Site": "same-origin"}

    def token(page: str) -> str:
        return page.partition('name="csrf" value="')[2].partition('"')[0]

    async with aiohttp.ClientSession(installation.console_url, cookie_jar=jar, headers=own) as session:
        form = {"csrf": token(await (await session.get("/sign-in")).text()), "name": "operator"}
        async with session.post("/sign-in", data={**form, "password": installation.console_password}) as answer:
            csrf = token(await answer.text())
            assert answer.status == HTTPStatus.OK
        for path in ("/", "/calls", "/tenants", "/tenants/acme", "/dead-letters", "/try", "/audit"):
            assert (await session.get(path)).status == HTTPStatus.OK, path
        async with session.post("/try", data={"csrf": csrf, "tenant": "acme"}) as answer:
            made = await answer.json()
        assert (await session.get(f"/now/rooms/{made['sid']}")).status == HTTPStatus.OK
        async with session.post(f"/now/rooms/{made['sid']}/end", data={"csrf": csrf}) as answer:
            assert answer.status == HTTPStatus.OK
        # It is asked, and nobody answers.
        async with session.post("/now/workers/nobody@here/drain", data={"csrf": csrf}) as answer:
            assert answer.status == HTTPStatus.CONFLICT


async def test_the_probe_says_why_nobody_answers_as_a_user_of_redis_who_may_do_little(
    installation: Installation,
) -> None:
    probe = installation.probe()
    await probe.start()

    async def called() -> bool:
        return '"message": "probe ' in probe.log.read_text(encoding="utf-8")

    try:
        await waiting.until(called, seconds=60)
    finally:
        await probe.stop()
    (line,) = (json.loads(line) for line in probe.log.read_text(encoding="utf-8").splitlines() if '"probe ' in line)
    assert (line["message"], line["tenant"], line["process"]) == ("probe failed", "acme", "probe")
    # There is no worker, which it knows from Redis.
    assert "no worker takes the queue premium" in line["problem"]


@pytest.mark.parametrize("name", WORKERS)
async def test_a_worker_is_healthy_and_a_container_stop_ends_it_cleanly(installation: Installation, name: str) -> None:
    worker = installation.worker(name)
    try:
        await worker.start()
        worker.send(signal.SIGTERM)
        async with asyncio.timeout(worker.stop_seconds):
            assert await worker.exited() == 0
    finally:
        await worker.stop()


async def test_no_service_has_asked_redis_for_more_than_its_user_may(installation: Installation) -> None:
    """The last test of this file: all services have run by now, and a call was answered."""
    worker = installation.worker("worker-premium", name="worker-that-answers")
    async with (
        api.LiveKitAPI(installation.livekit_url, LIVEKIT_API_KEY, installation.livekit_secret) as livekit,
        rooms(installation) as store,
    ):
        made = await livekit.room.create_room(api.CreateRoomRequest(name="call-acme-2"))
        try:
            await worker.start()

            async def joined() -> bool:
                room = await store.get(made.sid)
                return room is not None and "joined" in room.steps_ms

            await waiting.until(joined, 60)
            assert [each.node for each in await store.list_workers()] != []
            await livekit.room.delete_room(api.DeleteRoomRequest(room="call-acme-2"))
            await until(store, made.sid, State.ENDED)
        finally:
            await worker.stop()
    async with aioredis.Redis.from_url(installation.redis_url, decode_responses=True) as redis:
        log = await redis.acl_log()
        refused = {(entry["username"], entry["reason"], entry["object"]) for entry in log}
    # Of the test above, which tries to get in without a password.
    # CLIENT SETINFO, which a Redis before 7.2 does not know.
    assert {entry for entry in refused if entry[0] not in {"health", "default"} and entry[2] != "client"} == set()
