"""A LiveKit server with our Redis, as the user that redis_users.conf has for it, as SIP and egress need it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
import yaml
from livekit import api, rtc
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from ops.docker.secret_files import LIVEKIT_REDIS_USER, write
from ops.stack import environment
from ops.stack.binaries import Binaries
from ops.stack.livekit import LiveKitServer
from ops.stack.ports import HOST, PortPicker
from ops.stack.redis import RedisServer
from tests.support import redis_with_tls
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


class RedisWithUsers(RedisServer):
    """A redis-server with the users of the composition. The default user is the tests'."""

    users: Path

    def command(self) -> list[str]:
        return [*super().command(), "--include", str(self.users)]


class LiveKitWithRedis(LiveKitServer):
    """A livekit-server with the part `redis` of the shipped configuration."""

    redis: dict[str, Any]

    def configuration(self) -> dict[str, object]:
        return super().configuration() | {"redis": self.redis}


@dataclass(frozen=True)
class Running:
    redis: RedisServer
    livekit: LiveKitServer
    settings: dict[str, Any]

    def client(self, db: int) -> Redis:
        client = self.redis.client()
        client.connection_pool.connection_kwargs["db"] = db
        return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("livekit") / "files"
    write(folder)
    users = folder / "redis_users"
    users.chmod(0o600)
    text = users.read_text(encoding="utf-8")
    users.write_text(text.replace("user default reset off +@all ~* &*\n", ""), encoding="utf-8")
    ports = PortPicker()
    redis = RedisWithUsers(
        folder,
        environment.inherited(()),
        binary=str(redis_with_tls.binary(folder)),
        port=ports.pick(),
        append_only=True,
    )
    redis.users = users
    livekit = LiveKitWithRedis(
        folder,
        environment.inherited(()),
        binary=str(binaries.livekit),
        port=ports.pick(),
        tcp_port=ports.pick(),
        udp_port=ports.pick(),
        webhook_url=f"http://{HOST}:1/",
    )
    settings = yaml.safe_load((folder / "livekit.yaml").read_text(encoding="utf-8"))["redis"]
    livekit.redis = settings | {"address": f"{HOST}:{redis.port}"}
    async with AsyncExitStack() as stack:
        await redis.start()
        stack.push_async_callback(redis.stop)
        await livekit.start()
        stack.push_async_callback(livekit.stop)
        yield Running(redis, livekit, settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def livekit(running: Running) -> AsyncIterator[api.LiveKitAPI]:
    server = running.livekit
    async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client:
        yield client


def patterns() -> list[str]:
    file = Path(__file__).parents[3] / "ops" / "docker" / "redis_users.conf"
    (line,) = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("user livekit ")]
    return [word.removeprefix("~") for word in line.split() if word.startswith("~")]


async def test_all_that_livekit_sip_and_egress_do_is_allowed_and_stays_in_a_database_of_its_own(
    running: Running, livekit: api.LiveKitAPI
) -> None:
    name = "call-acme-1"
    await livekit.room.create_room(api.CreateRoomRequest(name=name))
    token = api.AccessToken(running.livekit.api_key, running.livekit.api_secret).with_identity("caller")
    token = token.with_grants(api.VideoGrants(room_join=True, room=name))
    room = rtc.Room()
    await room.connect(running.livekit.url, token.to_jwt())
    try:
        listed = await livekit.room.list_participants(api.ListParticipantsRequest(room=name))
        assert [participant.identity for participant in listed.participants] == ["caller"]
        await livekit.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(room=name, agent_name="nobody"))
        inbound = await livekit.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(
                trunk=api.SIPInboundTrunkInfo(name="twilio", auth_username="x", auth_password="y")
            )
        )
        outbound = await livekit.sip.create_outbound_trunk(
            api.CreateSIPOutboundTrunkRequest(
                trunk=api.SIPOutboundTrunkInfo(name="out", address="sip.example.com", numbers=["+15551234567"])
            )
        )
        rule = api.SIPDispatchRule(dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix="call-"))
        made = await livekit.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(dispatch_rule=api.SIPDispatchRuleInfo(rule=rule, name="x"))
        )
        assert len((await livekit.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())).items) == 1
        ingress = await livekit.ingress.create_ingress(
            api.CreateIngressRequest(input_type=api.IngressInput.RTMP_INPUT, name="x", participant_identity="x")
        )
        await livekit.ingress.delete_ingress(api.DeleteIngressRequest(ingress_id=ingress.ingress_id))
        # There is no egress service that could take it.
        with suppress(api.TwirpError, TimeoutError):
            output = api.EncodedFileOutput(filepath="x.mp4")
            async with asyncio.timeout(0.5):
                await livekit.egress.start_room_composite_egress(
                    api.RoomCompositeEgressRequest(room_name=name, file=output)
                )
        await livekit.egress.list_egress(api.ListEgressRequest())
        async with running.client(db=running.settings["db"]) as client:
            keys = [key async for key in client.scan_iter()]
        assert {"rooms", "room_node_map", f"room_participants:{name}", "sip_inbound_trunk", "nodes"} <= set(keys)
        assert [key for key in keys if not any(fnmatchcase(key, pattern) for pattern in patterns())] == []
        for trunk in (inbound, outbound):
            await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id))
        await livekit.sip.delete_dispatch_rule(
            api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=made.sip_dispatch_rule_id)
        )
    finally:
        await room.disconnect()
    await livekit.room.delete_room(api.DeleteRoomRequest(room=name))
    async with running.client(db=0) as ours:
        assert await ours.dbsize() == 0
        log = await ours.acl_log()
    assert [(entry["username"], entry["reason"], entry["object"]) for entry in log] == []


async def test_livekits_user_sees_nothing_of_switchboard(running: Running) -> None:
    async with Redis(
        port=running.redis.port,
        username=LIVEKIT_REDIS_USER,
        password=running.settings["password"],
        decode_responses=True,
    ) as stranger:
        execute = cast("Any", stranger).execute_command
        for command in [
            ("HGETALL", "switchboard:tenants"),
            ("HGETALL", "switchboard:provider_keys"),
            ("LPUSH", "premium", "x"),
            ("PUBLISH", "/0.celery.pidbox", "x"),
            ("SUBSCRIBE", "/0.celeryev/worker.heartbeat"),
            ("KEYS", "*"),
            ("FLUSHDB",),
            ("CONFIG", "GET", "*"),
            ("ACL", "LIST"),
        ]:
            with pytest.raises(NoPermissionError):
                await execute(*command)


async def test_after_a_restart_of_redis_callers_can_join_again(running: Running, livekit: api.LiveKitAPI) -> None:
    await running.redis.stop()
    await running.redis.start()

    async def joins() -> bool:
        with suppress(api.TwirpError):
            await livekit.room.create_room(api.CreateRoomRequest(name="call-acme-2"))
            await livekit.room.delete_room(api.DeleteRoomRequest(room="call-acme-2"))
            return True
        return False

    await until(joins)
