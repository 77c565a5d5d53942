"""Who is let in to which of Flower's pages: with a password, and with single sign-on at a real provider's endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from ops.stack import Binaries, environment
from ops.stack.errors import ProcessDied
from ops.stack.flower import Flower
from ops.stack.ports import PortPicker
from ops.stack.redis import RedisServer
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = ("/", "/tasks", "/api/tasks", "/metrics", "/healthcheck")
CLIENT, CLIENT_SECRET = "flower", "known to both"


@dataclass
class Provider:
    """A provider of single sign-on, by the endpoints that Flower's `OktaLoginHandler` asks."""

    email: str = "ada@example.com"
    url: str = ""
    codes: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Provider]:
        app = web.Application()
        app.router.add_get("/v1/authorize", self._authorize)
        app.router.add_post("/v1/token", self._token)
        app.router.add_get("/v1/userinfo", self._userinfo)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            yield self
        finally:
            await runner.cleanup()

    async def _authorize(self, request: web.Request) -> web.Response:
        assert request.query["client_id"] == CLIENT
        code = f"code-{len(self.codes)}"
        self.codes.add(code)
        answer = urlencode({"code": code, "state": request.query["state"]})
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{answer}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form["client_secret"] != CLIENT_SECRET or form["code"] not in self.codes:
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"access_token": "a token"})

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer a token"
        return web.json_response({"email": self.email, "email_verified": True})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    folder = tmp_path_factory.mktemp("redis")
    server = RedisServer(folder, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    await server.start()
    yield server
    await server.stop()


def flower(redis: RedisServer, folder: Path, settings: Mapping[str, str] | None = None, port: int = 0) -> Flower:
    env = environment.merged(environment.inherited(), {"REDIS_URL": redis.url}, settings or {})
    return Flower(folder, env, port=port or PortPicker().pick())


@asynccontextmanager
async def running(process: Flower) -> AsyncIterator[Flower]:
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def statuses(process: Flower, user: str = "", password: str = "") -> dict[str, int]:
    headers = {"Authorization": aiohttp.encode_basic_auth(user, password)} if user else {}
    found = {}
    async with aiohttp.ClientSession(process.url, headers=headers) as session:
        for page in PAGES:
            async with session.get(page, allow_redirects=False) as answer:
                found[page] = answer.status
    return found


async def test_every_page_asks_for_the_password_metrics_and_the_health_check_too(
    redis: RedisServer, tmp_path: Path
) -> None:
    async with running(flower(redis, tmp_path)) as process:
        nobody = dict.fromkeys(PAGES, HTTPStatus.UNAUTHORIZED)
        assert await statuses(process) == nobody
        assert await statuses(process, process.user, "guess") == nobody
        assert await statuses(process, process.user, process.password) == dict.fromkeys(PAGES, HTTPStatus.OK)


async def test_single_sign_on_lets_in_who_may_and_programs_have_the_password(
    redis: RedisServer, tmp_path: Path
) -> None:
    port = PortPicker().pick()
    async with Provider().serve() as provider:
        settings = {
            "FLOWER_AUTH": "ada@example.com|grace@example.com",
            "FLOWER_AUTH_PROVIDER": "flower.views.auth.OktaLoginHandler",
            "FLOWER_OAUTH2_KEY": CLIENT,
            "SWITCHBOARD_FLOWER_CLIENT_SECRET": CLIENT_SECRET,
            "FLOWER_OAUTH2_REDIRECT_URI": f"http://127.0.0.1:{port}/login",
            "FLOWER_OAUTH2_OKTA_BASE_URL": provider.url,
        }
        async with running(flower(redis, tmp_path, settings, port)) as process:
            # The cookies of an address instead of a name are kept only by a jar that is told to.
            async with aiohttp.ClientSession(process.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as ada:
                for page in PAGES[:3]:
                    async with ada.get(page) as answer:
                        assert (answer.status, answer.url.path) == (HTTPStatus.OK, page)
                for page in PAGES[3:]:
                    async with ada.get(page) as answer:
                        assert answer.status == HTTPStatus.OK
            provider.email = "mallory@example.com"
            async with aiohttp.ClientSession(process.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as mallory:
                async with mallory.get("/tasks") as answer:
                    assert answer.status == HTTPStatus.FORBIDDEN
                async with mallory.get("/metrics") as answer:
                    assert answer.status == HTTPStatus.UNAUTHORIZED
            guarded = {"/metrics": HTTPStatus.OK, "/healthcheck": HTTPStatus.OK}
            sent_to_log_in = dict.fromkeys(PAGES[:3], HTTPStatus.FOUND)
            assert await statuses(process, process.user, process.password) == sent_to_log_in | guarded
            closed = dict.fromkeys(guarded, HTTPStatus.UNAUTHORIZED)
            assert await statuses(process, process.user, "guess") == sent_to_log_in | closed


async def test_a_single_sign_on_that_could_let_nobody_in_does_not_start(redis: RedisServer, tmp_path: Path) -> None:
    half = flower(redis, tmp_path, {"FLOWER_AUTH": "ada@example.com", "FLOWER_OAUTH2_KEY": CLIENT})
    with pytest.raises(ProcessDied, match=r"nobody could log in to Flower without FLOWER_AUTH_PROVIDER, SWITCHBOARD_"):
        await half.start()


def kept(folder: Path) -> list[Path]:
    """The files in which Flower keeps its tasks. How many there are depends on Python's version."""
    return [path for path in folder.glob("tasks*") if path.suffix != ".lock"]


async def test_flower_keeps_its_tasks_when_redis_is_away_and_starts_with_a_broken_file(
    binaries: Binaries, tmp_path: Path
) -> None:
    redis = RedisServer(tmp_path, environment.inherited(), binary=str(binaries.redis), port=PortPicker().pick())
    await redis.start()
    options = {"FLOWER_PERSISTENT": "true", "FLOWER_DB": str(tmp_path / "tasks"), "FLOWER_STATE_SAVE_INTERVAL": "0"}
    async with running(flower(redis, tmp_path, options)) as process:
        await redis.stop()

        async def waits_for_redis() -> bool:
            return "Connection refused" in process.log.read_text()

        # Its threads do, from then on.
        await until(waits_for_redis, 60)
        size = sum(path.stat().st_size for path in kept(tmp_path))
        await process.stop()
        assert await process.exited() == 0
        assert sum(path.stat().st_size for path in kept(tmp_path)) > size
        for path in kept(tmp_path):
            path.write_text("broken")
        await process.start()
        assert any(path.suffix == ".corrupt" for path in kept(tmp_path))
