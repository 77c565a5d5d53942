"""`switchboard doctor` on a real installation: healthy, and broken in one way after another."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from glob import glob
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet

from ops.commands.doctor.checks import CHECKS
from ops.commands.doctor.finding import State
from ops.stack import Binaries, environment
from ops.stack.ports import HOST, PortPicker
from ops.stack.redis import RedisServer
from tasks.tenants import keys as tenant_keys
from tests.integration.ops.doctor.conftest import KEY, Healthy, wrong
from tests.provider_emulators.server import Fault
from tests.support.command import fresh_switchboard
from tests.support.livekit_server import livekit_server
from tests.support.redis_with_tls import missing
from tests.support.tenants import declare, signer
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


async def test_a_healthy_installation_is_all_ok_and_the_room_of_the_check_is_gone(healthy: Healthy) -> None:
    status, output, problems = await fresh_switchboard(healthy.env, "doctor")
    assert (status, problems) == (0, ""), output
    lines = output.splitlines()
    assert {line.split()[0] for line in lines[:-2]} == {"ok"}
    assert [line[8:27].strip() for line in lines[:-2]] == [each.name for each in CHECKS]
    assert lines[-1] == f"{len(CHECKS)} ok, 0 not checked, 0 warning, 0 error"
    assert "room_started of a new room has arrived" in output
    assert "accepts the key" in output
    secrets = (
        KEY,
        healthy.env["LIVEKIT_API_SECRET"],
        healthy.env["REDIS_URL"],
        healthy.env["SWITCHBOARD_ENCRYPTION_KEYS"],
    )
    assert not [secret for secret in secrets if secret in output]
    keys = [key async for key in healthy.redis.scan_iter("switchboard:*")]
    assert not [key for key in keys if "doctor" in key or key.startswith("switchboard:room:")]


async def test_an_eviction_policy_is_an_error_whose_cure_is_the_command_that_ends_it(healthy: Healthy) -> None:
    await healthy.redis.config_set("maxmemory-policy", "volatile-lru")
    try:
        found = wrong(await healthy.examine())
    finally:
        await healthy.redis.config_set("maxmemory-policy", "noeviction")
    assert found.keys() == {"redis eviction"}
    assert found["redis eviction"].state is State.ERROR
    assert "volatile-lru" in found["redis eviction"].text
    assert "CONFIG SET maxmemory-policy noeviction" in found["redis eviction"].cure


async def test_without_an_append_only_file_a_restart_would_lose_calls(healthy: Healthy) -> None:
    await healthy.redis.config_set("appendonly", "no")
    try:
        found = wrong(await healthy.examine())
    finally:
        await healthy.redis.config_set("appendonly", "yes")
    assert found.keys() == {"redis persistence"}
    assert found["redis persistence"].state is State.WARNING
    assert "CONFIG SET appendonly yes" in found["redis persistence"].cure


async def test_a_wrong_secret_and_an_unknown_api_key_are_told_apart(healthy: Healthy) -> None:
    found = wrong(await healthy.examine(LIVEKIT_API_SECRET="another-secret-that-is-long-enough-for-hs256"))
    assert found["livekit"].state is State.ERROR
    assert "refuses the secret" in found["livekit"].text
    assert "LIVEKIT_API_SECRET" in found["livekit"].cure
    # What cannot be known without the server is not taken for wrong, nor for right.
    for name in ("livekit signalling", "webhooks", "clocks"):
        assert found[name].state is State.NOT_CHECKED, name
    # A process with another secret is not one of this installation.
    assert "LIVEKIT_API_SECRET is another" in found["receivers"].text
    found = wrong(await healthy.examine(LIVEKIT_API_KEY="nobodys"))
    assert "does not know the API key nobodys" in found["livekit"].text


async def test_a_clock_that_is_20_seconds_off_is_named(healthy: Healthy) -> None:
    library = next(iter(glob(FAKETIME)), None) or str(missing("there is no libfaketime: apt-get install faketime"))  # noqa: PTH207 - one file of the system
    faked = {"LD_PRELOAD": library, "FAKETIME": "+20s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    status, output, _ = await fresh_switchboard({**healthy.env, **faked}, "doctor", "--json")
    report = json.loads(output)
    findings = [finding for finding in report["findings"] if finding["state"] != "ok"]
    assert [finding["check"] for finding in findings] == ["clocks"], findings
    found = findings[0]
    assert (status, report["status"], found["state"]) == (2, 2, "error")
    assert re.match(r"the clock of this host is (19|20)\.\d s ahead of the others", found["text"])
    assert "NTP" in found["cure"]


async def test_the_clocks_that_are_known_are_compared_where_the_receivers_notes_may_not_be_read(
    healthy: Healthy,
) -> None:
    prefixes = ("switchboard:[^w]", "switchboard:worker", "premium", "free", "unacked", "_kombu")
    patterns = [f"~{prefix}*" for prefix in prefixes]
    await cast("Any", healthy.redis).execute_command("ACL", "SETUSER", "blind", "on", ">pw", "+@all", "&*", *patterns)
    try:
        server = urlsplit(healthy.env["REDIS_URL"]).netloc.rpartition("@")[2]
        examined = await healthy.examine(REDIS_URL=f"redis://blind:pw@{server}/0")
    finally:
        await healthy.redis.acl_deluser("blind")
    assert [finding.state for finding in examined["webhooks"]] == [State.NOT_CHECKED]
    (clocks,) = examined["clocks"]
    assert (clocks.state, clocks.text.startswith("this host, Redis, the LiveKit server: ")) == (State.OK, True)


@asynccontextmanager
async def livekit_that_sends_to_nobody(healthy: Healthy, binaries: Binaries, directory: Path) -> AsyncIterator[str]:
    """A LiveKit server with the installation's key and a wrong address of the receivers. Yields its URL."""
    ports = PortPicker()
    nobody = f"http://{HOST}:{ports.pick()}/livekit/webhook"
    key_pair = healthy.env["LIVEKIT_API_KEY"], healthy.env["LIVEKIT_API_SECRET"]
    async with livekit_server(binaries, directory, ports, webhook_url=nobody, key_pair=key_pair) as server:
        yield server.url


async def test_a_wrong_address_of_the_receivers_shows_as_a_webhook_that_does_not_arrive(
    healthy: Healthy, binaries: Binaries, tmp_path: Path
) -> None:
    receivers = healthy.stack.webhook_url
    async with livekit_that_sends_to_nobody(healthy, binaries, tmp_path) as url:
        found = wrong(await healthy.examine(LIVEKIT_URL=url))
        # Told their address, it knows more.
        taken = await healthy.find_webhook(receivers, LIVEKIT_URL=url)
        elsewhere = await healthy.find_webhook(receivers.replace("/livekit/", "/"), LIVEKIT_URL=url)
        nobody = await healthy.find_webhook(f"http://{HOST}:{PortPicker().pick()}/livekit/webhook", LIVEKIT_URL=url)
    assert "but" in taken.text
    assert "takes one that is sent from here" in taken.text
    assert "answers with 404" in elsewhere.text
    assert "cannot be connected to" in nobody.text
    assert found.keys() == {"webhooks"}
    assert found["webhooks"].state is State.ERROR
    assert "no webhook of a new room has arrived within 2 s" in found["webhooks"].text
    assert "webhook.urls" in found["webhooks"].cure
    assert f"webhook.api_key is {healthy.env['LIVEKIT_API_KEY']}" in found["webhooks"].cure


async def test_receivers_that_do_not_accept_our_key_are_told_apart(
    healthy: Healthy, binaries: Binaries, tmp_path: Path
) -> None:
    """A LiveKit server of our own key and secret, which the receivers do not have."""
    async with livekit_server(binaries, tmp_path, PortPicker(), webhook_url=healthy.stack.webhook_url) as server:
        ours = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.api_key, "LIVEKIT_API_SECRET": server.api_secret}
        found = await healthy.find_webhook(healthy.stack.webhook_url, **ours)
    assert "refuses our signature" in found.text
    assert "give the receivers the same LIVEKIT_API_KEY and LIVEKIT_API_SECRET" in found.cure


async def test_a_redis_without_memory_is_told_apart_from_one_that_may_not_be_written(healthy: Healthy) -> None:
    await healthy.redis.config_set("maxmemory", "1mb")
    try:
        found = wrong(await healthy.examine())
    finally:
        await healthy.redis.config_set("maxmemory", "0")
    assert found["redis writes"].text == "Redis takes no writes, because it has reached its maxmemory"
    assert "redis-cli --bigkeys" in found["redis memory"].cure
    assert found["redis memory"].state is State.ERROR


class Replica(RedisServer):
    """A replica of another Redis."""

    master = ""

    def command(self) -> list[str]:
        master = urlsplit(self.master)
        return [*super().command(), "--replicaof", HOST, str(master.port), "--masterauth", str(master.password)]


async def test_a_replica_is_named_with_its_master_and_one_that_is_frozen_hangs_nothing(
    healthy: Healthy, binaries: Binaries, tmp_path: Path
) -> None:
    replica = Replica(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    replica.master = healthy.env["REDIS_URL"]
    await replica.start()
    try:
        async with replica.client() as client:

            async def linked() -> bool:
                return bool((await client.info("replication"))["master_link_status"] == "up")

            await until(linked)
        found = wrong(await healthy.examine(REDIS_URL=replica.url))
        assert found["redis role"].state is found["redis writes"].state is State.ERROR
        master = urlsplit(healthy.env["REDIS_URL"]).port
        assert f"it is a replica of {HOST}:{master}" in found["redis role"].text
        assert f"let REDIS_URL lead to the master ({HOST}:{master})" in found["redis role"].cure
        assert "takes no writes" in found["redis writes"].text

        replica.pause()
        async with asyncio.timeout(15):
            frozen = await healthy.examine(REDIS_URL=replica.url, SWITCHBOARD_REDIS_DEADLINE_SECONDS="0.5")
        assert "does not answer in time" in wrong(frozen)["redis"].text
        others = {name: finding for name, finding in wrong(frozen).items() if name != "redis"}
        assert {finding.state for finding in others.values()} == {State.NOT_CHECKED}
        assert others["workers"].text == "Redis is not reached"
        assert frozen["livekit"][0].state is State.OK
    finally:
        await replica.stop()


async def test_a_user_with_too_few_rights_is_told_what_it_lacks(healthy: Healthy) -> None:
    port = urlsplit(healthy.env["REDIS_URL"]).port
    rights = ["reset", "on", ">word", "-@all", "+@read", "+@write", "+@connection", "+@transaction", "+@pubsub"]
    # As in the shipped file, which has no pattern for a queue of another name.
    keys = ["+eval", "+evalsha", "+script|load", "~switchboard:*", "~_kombu.*", "~premium*", "&*"]
    redis = cast("Any", healthy.redis)
    await redis.execute_command("ACL", "SETUSER", "narrow", *rights, *keys)
    try:
        found = wrong(await healthy.examine(REDIS_URL=f"redis://narrow:word@{HOST}:{port}/0"))
    finally:
        await redis.execute_command("ACL", "DELUSER", "narrow")
    assert found["redis access"].state is State.ERROR
    assert found["redis access"].text == "user narrow may not do what a receiver does: LREM free"
    assert "redis_users.conf" in found["redis access"].cure
    # It may not INFO, which is no fault.
    assert found["redis eviction"].state is State.NOT_CHECKED
    assert "may not INFO" in found["redis eviction"].text
    assert found["clocks"].state is State.NOT_CHECKED


async def test_a_wrong_password_is_told_apart_from_a_redis_that_is_away(healthy: Healthy) -> None:
    url = urlsplit(healthy.env["REDIS_URL"])
    found = wrong(await healthy.examine(REDIS_URL=f"redis://:wrong@{HOST}:{url.port}/0"))
    assert "refuses the name or the password in REDIS_URL" in found["redis"].text
    away = wrong(await healthy.examine(REDIS_URL=f"redis://:wrong@{HOST}:{PortPicker().pick()}/0"))
    assert "cannot be connected to" in away["redis"].text
    assert away["redis writes"].state is State.NOT_CHECKED


async def test_encryption_keys_that_are_missing_or_others_are_an_error(healthy: Healthy) -> None:
    env = {name: value for name, value in healthy.env.items() if name != "SWITCHBOARD_ENCRYPTION_KEYS"}
    without = await Healthy(healthy.stack, env, healthy.redis, healthy.provider).examine()
    assert [finding.state for finding in without["encryption"]] == [State.WARNING, State.ERROR]
    assert "SWITCHBOARD_ENCRYPTION_KEYS is not set" in without["encryption"][0].text
    assert "signed with another encryption key: acme, bolt" in without["encryption"][1].text
    assert "SWITCHBOARD_ENCRYPTION_KEYS of the workers" in without["encryption"][1].cure
    # A key that cannot be decrypted, and one that nobody vouches for, goes to no provider.
    assert without["providers"][0].text == "no tenant has a provider on another host"
    rotated = f"{Fernet.generate_key().decode()},{healthy.env['SWITCHBOARD_ENCRYPTION_KEYS']}"
    found = wrong(await healthy.examine(SWITCHBOARD_ENCRYPTION_KEYS=rotated))
    assert found.keys() == {"encryption"}
    assert "rotate-keys" in found["encryption"].cure


async def test_a_provider_that_refuses_the_key_or_is_away_is_named_and_the_key_is_not(healthy: Healthy) -> None:
    healthy.provider.fault = Fault.REFUSED
    try:
        refused = wrong(await healthy.examine())
    finally:
        healthy.provider.fault = None
    assert refused.keys() == {"providers"}
    assert refused["providers"].state is State.ERROR
    assert "(for acme.llm) refuses the key (401)" in refused["providers"].text
    assert KEY not in repr(refused)
    away = f"http://{HOST}:{PortPicker().pick()}/v1"
    toml = f'[tenants.away]\ntier = "free"\nllm = {{ provider = "openai", model = "m", base_url = "{away}" }}\n'
    workers = signer(encryption_keys=healthy.env["SWITCHBOARD_ENCRYPTION_KEYS"])
    await declare(healthy.redis, toml, prune=False, signed_by=workers)
    try:
        found = wrong(await healthy.examine())
    finally:
        for key in (tenant_keys.TENANTS, tenant_keys.SIGNATURES):
            await cast("Any", healthy.redis.hdel(key, "away"))
    assert found.keys() == {"providers"}
    assert "(for away.llm) cannot be connected to" in found["providers"].text
    assert "firewall" in found["providers"].cure


async def test_other_settings_than_the_receivers_are_listed(healthy: Healthy) -> None:
    found = wrong(await healthy.examine(SWITCHBOARD_MAX_ATTEMPTS="7"))
    assert found.keys() == {"receivers"}
    assert "SWITCHBOARD_MAX_ATTEMPTS is 7 here and 5 there" in found["receivers"].text


async def test_a_tier_without_a_worker_is_named_with_the_command_that_starts_one(healthy: Healthy) -> None:
    """The last one, as a worker takes seconds to start."""
    await healthy.stack.workers["one"].stop()
    examined = await healthy.examine()
    assert wrong(examined).keys() == {"workers"}
    premium, free = examined["workers"]
    assert premium.state is free.state is State.ERROR
    assert "no worker takes the queue premium of the tier premium" in premium.text
    assert "celery -A tasks worker -Q premium" in premium.cure
    assert "queue free" in free.text
