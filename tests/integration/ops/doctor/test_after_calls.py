"""`switchboard doctor` on what is kept and told of calls: each part broken in one way after another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ops.commands.doctor.finding import Finding, State, ok
from ops.stack.background import BackgroundWorker
from ops.stack.console import Console
from ops.stack.ports import HOST, PortPicker
from tasks.background.notices import keys as notice_keys
from tasks.background.notices.notice import Disabled
from tasks.rooms import keys as room_keys
from tasks.tenants import keys as tenant_keys
from tests.integration.ops.doctor.conftest import KEY, Healthy, wrong
from tests.support import databases
from tests.support.tenants import declare, signer
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_records_need_a_database_of_this_version_and_a_writer_that_runs(healthy: Healthy, tmp_path: Path) -> None:
    database = await databases.sqlite(tmp_path)
    env = {"SWITCHBOARD_DATABASE_URL": database.url.get_secret_value()}
    found = wrong(await healthy.examine(**env))
    assert found.keys() == {"records"}
    assert found["records"].text == "a database is named, and no writer of records has ever begun"
    writer = databases.writer(tmp_path, redis_url=healthy.env["REDIS_URL"], database=database)
    try:
        await writer.start()

        async def well() -> bool:
            return not wrong(await healthy.examine(**env))

        await until(well)
        empty = f"sqlite:///{tmp_path / 'another.db'}"
        found = wrong(await healthy.examine(SWITCHBOARD_DATABASE_URL=empty))
        assert found.keys() == {"database"}
        assert "its schema is none" in found["database"].text
        assert found["database"].cure == "switchboard database upgrade"
        away = f"postgresql://user:{KEY}@{HOST}:{PortPicker().pick()}/records"
        found = wrong(await healthy.examine(SWITCHBOARD_DATABASE_URL=away))
        assert found.keys() == {"database"}
        assert "cannot be used" in found["database"].text
        assert KEY not in repr(found)
        writer.kill()
        # As after its 30 s.
        await healthy.redis.delete(room_keys.RECORD_WRITER)
        found = wrong(await healthy.examine(**env))
        assert found.keys() == {"records"}
        assert "no writer of records runs" in found["records"].text
        assert "switchboard records" in found["records"].cure
    finally:
        await writer.stop()
        await cast("Any", healthy.redis).xgroup_destroy(room_keys.CALLS, room_keys.RECORD_WRITERS)
        await healthy.redis.delete(room_keys.RECORD_WRITER)


@asynccontextmanager
async def declared(healthy: Healthy, table: str) -> AsyncIterator[None]:
    """A tenant `more` with this in its table."""
    toml = f'[tenants.more]\ntier = "free"\n{table}\n'
    workers = signer(encryption_keys=healthy.env["SWITCHBOARD_ENCRYPTION_KEYS"])
    await declare(healthy.redis, toml, prune=False, signed_by=workers)
    try:
        yield
    finally:
        for key in (tenant_keys.TENANTS, tenant_keys.SIGNATURES, tenant_keys.PROVIDER_KEYS):
            await cast("Any", healthy.redis.hdel(key, "more"))


async def test_notices_that_a_tenant_wants_need_a_background_worker_and_a_backend(
    healthy: Healthy, tmp_path: Path
) -> None:
    address = f"http://{HOST}:{PortPicker().pick()}/notices"
    (tmp_path / "secret").write_text(f"whsec_{'A' * 43}=")
    table = f'[tenants.more.notices]\nurl = "{address}"\nsecrets = ["file:{tmp_path / "secret"}"]'
    async with declared(healthy, table):
        found = wrong(await healthy.examine())
        assert found.keys() == {"notices"}
        assert found["notices"].state is State.ERROR
        assert "no background worker runs" in found["notices"].text
        assert "celery -A tasks.background worker -Q background" in found["notices"].cure
        worker = BackgroundWorker(tmp_path, healthy.env)
        try:
            await worker.start()

            async def well() -> bool:
                return not wrong(await healthy.examine())

            await until(well)
            gone = Disabled(since_ms=1, reason="410", url=address).to_json()
            await cast("Any", healthy.redis.hset(notice_keys.BACKENDS_DISABLED, "more", gone))
            found = wrong(await healthy.examine())
            assert found.keys() == {"notices"}
            assert found["notices"].text == "backends are disabled, and get none: more"
        finally:
            await worker.stop()
            await healthy.redis.delete(notice_keys.BACKENDS_DISABLED, notice_keys.SCHEDULER)


async def test_recordings_need_a_store_that_takes_objects(healthy: Healthy, tmp_path: Path) -> None:
    async with declared(healthy, 'record = ["audio"]'):
        no_folder = wrong(await healthy.examine(SWITCHBOARD_RECORDINGS_URL=f"file://{tmp_path / 'none'}"))
        assert no_folder["recordings"].state is State.NOT_CHECKED
        assert "run it where the console runs" in no_folder["recordings"].cure
        assert not (tmp_path / "none").exists()
        taken = await healthy.examine(SWITCHBOARD_RECORDINGS_URL=f"file://{tmp_path}")
        assert taken["recordings"] == (ok(f"the folder {tmp_path} takes objects"),)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]  # noqa: ASYNC240 - a folder of three files
        # A folder in which nobody may write, not even root.
        refused = wrong(await healthy.examine(SWITCHBOARD_RECORDINGS_URL="file:///sys/kernel"))
        assert refused["recordings"].state is State.ERROR
        assert "SWITCHBOARD_RECORDINGS_URL" in refused["recordings"].text


async def test_recordings_need_a_console_that_takes_what_workers_upload(healthy: Healthy, tmp_path: Path) -> None:
    store = {"SWITCHBOARD_RECORDINGS_URL": f"file://{tmp_path}"}

    async def found(console: str) -> Finding:
        (finding,) = (await healthy.examine(SWITCHBOARD_CONSOLE_URL=console, **store))["uploads"]
        return finding

    async with declared(healthy, 'record = ["audio"]'):
        (unset,) = (await healthy.examine(**store))["uploads"]
        assert unset.state is State.ERROR
        assert "SWITCHBOARD_CONSOLE_URL is not set, so nothing is recorded of more" in unset.text
        assert "cannot be connected to" in (await found(f"http://{HOST}:{PortPicker().pick()}")).text
        receiver = f"http://{HOST}:{healthy.stack.receivers[0].port}"
        assert "answers an upload with 404" in (await found(receiver)).text
        for name, secret, text in (
            ("right", healthy.env["LIVEKIT_API_SECRET"], "takes uploads"),
            ("wrong", "another-secret-than-that-of-the-workers", "refuses the token of an upload"),
        ):
            (tmp_path / name).mkdir()
            env = {**healthy.env, **store, "LIVEKIT_API_SECRET": secret}
            console = Console(tmp_path / name, env, port=PortPicker().pick())
            try:
                await console.start()
                assert text in (await found(console.url)).text
            finally:
                await console.stop()
