"""The console's ASGI app: `uvicorn --factory ops.console.app:create_app`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from ops.console import links, security
from ops.console.audit import Audit
from ops.console.context import Console, find_visit
from ops.console.errors import ConsoleError, SignInRequired
from ops.console.now.views import live_view
from ops.console.pages import audit_log, call, calls, dead_letters, notices, now, sign_in, tenants, trial
from ops.console.rendering import STATIC, Templates
from ops.console.sign_in.attempts import Attempts
from ops.console.sign_in.openid import OpenIDConnect
from ops.console.sign_in.operators import VARIABLE, PasswordOperators
from ops.console.sign_in.sessions import Sessions
from ops.console.stopping import when_stopped
from ops.console.story.waveform import Waveforms
from ops.console.uploads.app import open_uploads
from ops.console.uploads.endpoint import ROUTES
from ops.recordings.archive import Archive
from tasks import logs
from tasks.background.notices import NoticeStore
from tasks.background.notices.links import LinkSigner
from tasks.errors import InvalidSetting, RedisUnavailable
from tasks.queue.dispatcher import Dispatcher
from tasks.records import Database, DatabaseUnavailable, RecordStore, SchemaOutdated, SchemaTooNew
from tasks.redis_client import connect
from tasks.rooms import RoomStore
from tasks.settings import ConsoleSettings, Settings, warn_of_unknown_settings
from webhooks.call_creator import CallCreator

SEE_OTHER, UNAVAILABLE = 303, 503
A_YEAR = 31_536_000

logger = logging.getLogger("switchboard.console")


def create_app() -> FastAPI:
    """Return the console's ASGI app. Settings are read from the environment.

    Raises SystemExit with a line for each setting that is not usable, where uvicorn would print a traceback.
    """
    try:
        settings, own = Settings.read(), ConsoleSettings.read()
        operators, openid = _who_may_sign_in(own)
    except InvalidSetting as error:
        raise SystemExit(str(error)) from None
    logs.set_up(settings.log.level, process="console")
    warn_of_unknown_settings(logger)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            redis = await closing.enter_async_context(connect(settings.redis))
            dispatcher = Dispatcher.from_settings(settings)
            closing.push_async_callback(dispatcher.aclose)
            templates, rooms = Templates(), RoomStore(redis, lease_ms=settings.lease.ttl_ms)
            live = live_view(templates, rooms)
            closing.push_async_callback(live.aclose)
            closing.enter_context(when_stopped(live.end))
            creator = CallCreator.from_settings(settings, dispatcher)
            closing.push_async_callback(creator.aclose)
            database = await closing.enter_async_context(Database.open(settings.database))
            archive = Archive(settings, database, redis)
            uploads = open_uploads(settings, archive, database, redis)
            app.state.uploads = await closing.enter_async_context(uploads)
            audit = Audit(database)
            closing.push_async_callback(audit.aclose)
            writing = asyncio.create_task(audit.run())
            closing.callback(writing.cancel)
            app.state.console = Console(
                settings=settings,
                own=own,
                redis=redis,
                rooms=rooms,
                dispatcher=dispatcher,
                creator=creator,
                database=database,
                records=RecordStore(database),
                archive=archive,
                links=LinkSigner(settings),
                notices=NoticeStore(redis, settings.notices),
                audit=audit,
                templates=templates,
                live=live,
                waveforms=Waveforms(),
                sessions=Sessions(redis, hours=own.session_hours),
                attempts=Attempts(redis),
                operators=operators,
                openid=openid,
            )
            yield

    app = FastAPI(title="Switchboard's console", lifespan=lifespan, openapi_url=None)
    app.add_middleware(
        security.SecurityHeaders,
        policy=security.policy(settings.livekit.public_url or settings.livekit.url),
        secure=own.secure,
    )
    app.mount("/static", _Static(directory=STATIC))
    for page in (sign_in, now, calls, call, tenants, dead_letters, notices, trial, audit_log, links):
        app.include_router(page.router)
    app.router.routes.extend(ROUTES)
    app.add_api_route("/healthz", _healthy, include_in_schema=False)
    _add_error_pages(app)
    return app


def _who_may_sign_in(own: ConsoleSettings) -> tuple[PasswordOperators, OpenIDConnect | None]:
    operators = PasswordOperators.parse(own.operators.get_secret_value() if own.operators else "")
    openid = OpenIDConnect.from_settings(own)
    if not operators and openid is None:
        cure = "set it, or SWITCHBOARD_CONSOLE_OPENID_ISSUER: without operators nobody could sign in"
        raise InvalidSetting(name=VARIABLE, value=None, cure=cure)
    return operators, openid


class _Static(StaticFiles):
    """Static files, whose addresses change with their content."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """Return a file that browsers may keep."""
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = f"public, max-age={A_YEAR}, immutable"
        return response


async def _healthy() -> Response:
    return PlainTextResponse("ok")


def _add_error_pages(app: FastAPI) -> None:
    async def console_error(request: Request, error: Exception) -> Response:
        if isinstance(error, SignInRequired):
            return _to_sign_in(request)
        assert isinstance(error, ConsoleError)  # noqa: S101 - it is registered for these
        return await _error_page(request, error.status, error.heading, str(error))

    async def redis_error(request: Request, error: Exception) -> Response:
        logger.warning("page without Redis", extra={"problem": type(error).__name__, "path": request.url.path})
        problem = "Redis cannot be reached, so that nobody can be signed in and no call can be shown. Try again."
        return await _error_page(request, UNAVAILABLE, "Redis cannot be reached", problem, signed_in=False)

    async def database_error(request: Request, error: Exception) -> Response:
        logger.warning("page without the database", extra={"problem": str(error), "path": request.url.path})
        return await _error_page(request, UNAVAILABLE, "The database cannot be used", str(error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
        return await _error_page(request, error.status_code, error.detail, "There is no such page.")

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
        problems = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return await _error_page(request, 422, "Something in the form is not right", problems)

    app.add_exception_handler(ConsoleError, console_error)
    for kind in (RedisError, RedisUnavailable, OSError):
        app.add_exception_handler(kind, redis_error)
    for problem in (DatabaseUnavailable, SchemaOutdated, SchemaTooNew):
        app.add_exception_handler(problem, database_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("sign in first", 401)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(target)}", SEE_OTHER)


async def _error_page(request: Request, status: int, heading: str, problem: str, *, signed_in: bool = True) -> Response:
    visitor = await find_visit(request) if signed_in else None
    templates: Templates = request.app.state.console.templates
    operator, csrf = (visitor.operator, visitor.session.csrf) if visitor else (None, "")
    return templates.page(request, "error.html", operator, csrf, status=status, heading=heading, problem=problem)
