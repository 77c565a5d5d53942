"""The API of backends: GET /calls, GET and DELETE /calls/{sid}, GET /usage, GET /concurrency.

Each has its own connections to Redis and to the database, and a deadline for each: when one of the two is slow or away,
these routes answer 503, and webhooks go on.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Self, TypeVar

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic.json_schema import SkipJsonSchema

from tasks.errors import SwitchboardError
from tasks.records import (
    CallFilter,
    DatabaseUnavailable,
    InvalidCursor,
    SchemaOutdated,
    SchemaTooNew,
)
from tasks.records import TenantUsage as StoredUsage
from tasks.records.directory import CallDirectory, FoundCall
from tasks.records.on_demand import RecordsOnDemand
from tasks.redis_client import connect, within_deadline
from tasks.rooms import CallOperations, CallState, EndRequestResult, State
from tasks.rooms.erasures import ErasureRequests
from tasks.rooms.open_rooms import OpenRooms
from tasks.rooms.operations import BY_BACKEND
from tasks.settings import Settings
from tasks.tenants.api_keys import ApiKey, Scope
from tasks.tenants.limits import declared_limits
from webhooks import api_views, problems
from webhooks.api_schemas import (
    SID,
    CallDetail,
    CallEnd,
    CallPage,
    CallQuery,
    ConcurrencyQuery,
    ConcurrencyReport,
    TenantConcurrency,
    TenantUsage,
    UsageQuery,
    UsageReport,
)
from webhooks.authentication import Backend, requires
from webhooks.call_rates import CallRates
from webhooks.conditional import HEADERS, conditional
from webhooks.metrics import Metrics
from webhooks.problems import FieldProblem, Problem

T = TypeVar("T")

DATABASE_SECONDS = 3.0
"""The time that the database has to answer, if the setting does not give it less."""
OPEN_STATES = frozenset({State.WAITING, State.QUEUED, State.RUNNING})
OVER_STATES = frozenset(CallState)

logger = logging.getLogger("switchboard.webhooks")


@dataclass(frozen=True)
class ApiEndpoint:
    """State of these routes, on `app.state.api_endpoint` while the app runs."""

    directory: CallDirectory
    records: RecordsOnDemand
    rooms: OpenRooms
    operations: CallOperations
    erasures: ErasureRequests
    metrics: Metrics
    rates: CallRates
    redis_seconds: float

    @classmethod
    @asynccontextmanager
    async def from_settings(cls, settings: Settings, metrics: Metrics) -> AsyncIterator[Self]:
        """Open the endpoint, with its own connections and its own rates, and close it at the end."""
        seconds = min(DATABASE_SECONDS, settings.database.deadline_seconds)
        database_settings = settings.database.model_copy(update={"deadline_seconds": seconds})
        redis_seconds = settings.redis.deadline_seconds
        async with connect(settings.redis) as redis, RecordsOnDemand.open(database_settings) as records:
            rooms = OpenRooms(redis)
            yield cls(
                directory=CallDirectory(rooms, records, redis_seconds=redis_seconds),
                records=records,
                rooms=rooms,
                operations=CallOperations(redis),
                erasures=ErasureRequests(redis),
                metrics=metrics,
                # Who polls must not use up the rate of who makes calls.
                rates=CallRates(per_second=settings.receiver.calls_per_second, burst=settings.receiver.calls_burst),
                redis_seconds=redis_seconds,
            )

    async def redis(self, action: Awaitable[T]) -> T:
        """Return the result of an action on Redis. Raises RedisUnavailable."""
        return await within_deadline(action, self.redis_seconds)


class ApiRoute(APIRoute):
    """A route whose refusals are problems, and whose requests are counted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route's requests."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            endpoint: ApiEndpoint = request.app.state.api_endpoint
            try:
                response = await answer(request)
            except (SwitchboardError, RequestValidationError) as error:
                problem = _problem(error)
                endpoint.metrics.count_api(self.path, problem.code)
                _log(problem, error)
                return problems.problem_response(problem)
            unchanged = response.status_code == HTTPStatus.NOT_MODIFIED
            endpoint.metrics.count_api(self.path, "not_modified" if unchanged else "ok")
            return response

        return handle


router = APIRouter(route_class=ApiRoute)

IfNoneMatch = Annotated[
    str | SkipJsonSchema[None],
    Header(alias="If-None-Match", description="ETag of the response that the client has."),
]
CallId = Annotated[str, Path(pattern=SID, description="The sid of the call's room.")]
CallsReader = Annotated[Backend, requires(Scope.CALLS_READ)]
CallsOperator = Annotated[Backend, requires(Scope.CALLS_OPERATE)]
UsageReader = Annotated[Backend, requires(Scope.USAGE_READ)]

REFUSALS = {
    401: "The API key is missing, unknown or expired.",
    403: "The API key has not the scope, or is not for this tenant.",
    422: "A parameter is not valid.",
    429: "More was requested than the rate allows.",
    503: "Redis or the database does not answer now.",
}
UNKNOWN = {404: "There is no such call, or it is not of a tenant of the key."}
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing has changed.", "headers": HEADERS}}


def _answers(description: str, refusals: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route that is read, as OpenAPI has them."""
    found: dict[int | str, dict[str, Any]] = {200: {"description": description, "headers": HEADERS}}
    return found | _UNCHANGED | problems.documented(refusals)


@router.get(
    "/calls",
    operation_id="listCalls",
    response_model=CallPage,
    responses=_answers("A page of calls, the newest first: open ones and those that are over.", REFUSALS),
)
async def list_calls(
    request: Request,
    backend: CallsReader,
    query: Annotated[CallQuery, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List calls, the newest first. One that has just ended may be missing for a second, until its record is written.

    With `state=live`, and with `waiting`, `queued` or `running`, the database is not asked.
    """
    endpoint = admit(request, backend)
    page = await endpoint.directory.list_calls(
        CallFilter(
            tenant=_tenant(backend.key, query.tenant_id),
            name=query.room,
            number=query.number,
            since_ms=_ms(query.since),
            until_ms=_ms(query.until),
            state=CallState(query.state) if query.state in OVER_STATES else None,
            outcome=query.outcome,
            ended_by=query.ended_by,
        ),
        states=_open_states(query.state),
        recorded=query.state not in {"live", *OPEN_STATES},
        cursor=query.cursor,
        limit=query.limit,
    )
    body = CallPage(calls=[api_views.summary(call) for call in page.calls], next_cursor=page.next_cursor)
    return conditional(body, if_none_match)


@router.get(
    "/calls/{sid}",
    operation_id="getCall",
    response_model=CallDetail,
    responses=_answers("The call, with its attempts.", REFUSALS | UNKNOWN),
)
async def get_call(request: Request, backend: CallsReader, sid: CallId, if_none_match: IfNoneMatch = None) -> Response:
    """Return a call: its steps, the attempts that have ended, its turns and its usage.

    Of a room that was opened again it is the newest call.
    """
    endpoint = admit(request, backend)
    return conditional(api_views.detail(await find_call(endpoint, backend.key, sid)), if_none_match)


@router.delete(
    "/calls/{sid}",
    operation_id="endCall",
    status_code=202,
    response_model=CallEnd,
    response_description="The call is asked to end, or is over.",
    responses=problems.documented(REFUSALS | UNKNOWN | {409: "The call is over."}),
)
async def end_call(request: Request, backend: CallsOperator, sid: CallId) -> JSONResponse:
    """End an open call: its agent leaves in order, its callers are told, and after some seconds its room is deleted.

    It is not answered again when a caller comes back. A call that is over is not changed by this: 409. To erase what is
    kept of it: POST /calls/{sid}/erasure.
    """
    endpoint = admit(request, backend)
    tenants = None if backend.key.is_for_every_tenant else backend.key.tenants
    result = await endpoint.redis(endpoint.operations.end(sid, outcome=BY_BACKEND, tenants=tenants))
    if result is EndRequestResult.UNKNOWN:
        await find_call(endpoint, backend.key, sid)
        raise problems.CallOver
    if result is EndRequestResult.OVER:
        raise problems.CallOver
    logger.info("call ended by a backend", extra={"sid": sid, "api_key": backend.key.id})
    body = CallEnd(sid=sid, state="ended" if result is EndRequestResult.ENDED else "ending")
    return JSONResponse(body.model_dump(mode="json"), 202, {"Cache-Control": "no-store"})


@router.get(
    "/usage",
    operation_id="getUsage",
    response_model=UsageReport,
    responses=_answers("The usage of each tenant.", REFUSALS),
)
async def get_usage(
    request: Request,
    backend: UsageReader,
    query: Annotated[UsageQuery, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return what the calls of a month have used of each model, over all attempts.

    A call belongs to the month in which it was opened.
    """
    endpoint = admit(request, backend)
    tenant = _tenant(backend.key, query.tenant_id)
    month = query.month or datetime.now(UTC).strftime("%Y-%m")
    since, until = month_bounds(month)
    usage = await endpoint.records.usage(since_ms=_to_ms(since), until_ms=_to_ms(until), tenant=tenant)
    if tenant is not None and not usage:
        usage = (StoredUsage(tenant, calls=0, answered=0, seconds=0.0, lines=()),)
    tenants = [
        TenantUsage(
            tenant_id=each.tenant,
            calls=each.calls,
            answered=each.answered,
            seconds=each.seconds,
            usage=api_views.amounts(each.lines),
        )
        for each in usage
    ]
    return conditional(UsageReport(month=month, since=since, until=until, tenants=tenants), if_none_match)


@router.get(
    "/concurrency",
    operation_id="getConcurrency",
    response_model=ConcurrencyReport,
    responses=_answers("The open calls of each tenant.", REFUSALS | {404: "There is no such tenant."}),
)
async def get_concurrency(
    request: Request,
    backend: CallsReader,
    query: Annotated[ConcurrencyQuery, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return how many calls run, are queued and wait now, and the limit of each tenant. The database is not asked."""
    endpoint = admit(request, backend)
    tenant = _tenant(backend.key, query.tenant_id, several=True)
    wanted = {tenant} if tenant else None if backend.key.is_for_every_tenant else backend.key.tenants
    limits = {each.tenant: each for each in await endpoint.redis(declared_limits(endpoint.rooms.redis, wanted))}
    if tenant is not None and not limits:
        raise problems.TenantUnknown
    tenants = [
        TenantConcurrency(
            tenant_id=each.tenant,
            tier=limits[each.tenant].tier,
            running=each.running,
            queued=each.queued,
            waiting=each.waiting,
            max_calls=limits[each.tenant].max_calls,
        )
        for each in await endpoint.redis(endpoint.rooms.concurrency(limits))
    ]
    return conditional(ConcurrencyReport(tenants=tenants), if_none_match)


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Return the beginning of a month such as `2026-11` in UTC, and of the one after it."""
    year, number = int(month[:4]), int(month[5:])
    following = (year + 1, 1) if number == 12 else (year, number + 1)  # noqa: PLR2004 - months
    return datetime(year, number, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


def admit(request: Request, backend: Backend) -> ApiEndpoint:
    """Return the endpoint, if the rate of the key allows the request. Raises RateExceeded."""
    endpoint: ApiEndpoint = request.app.state.api_endpoint
    endpoint.rates.take("this API key", backend.key.sha256)
    return endpoint


async def find_call(endpoint: ApiEndpoint, key: ApiKey, sid: str) -> FoundCall:
    """Return a call, open or over. Raises CallUnknown, also if it is not of a tenant of the key."""
    found = await endpoint.directory.get_call(sid, tenant=_only_tenant(key))
    if found is None or not key.allows(found.tenant):
        raise problems.CallUnknown
    return found


def _tenant(key: ApiKey, named: str | None, *, several: bool = False) -> str | None:
    """Return the tenant that is asked about, None for all of the key's. Raises TenantForbidden or TenantUnnamed.

    `several`: a key for several tenants need not name one.
    """
    if named is not None:
        if not key.allows(named):
            raise problems.TenantForbidden
        return named
    only = _only_tenant(key)
    if only is None and not key.is_for_every_tenant and not several:
        raise problems.TenantUnnamed
    return only


def _only_tenant(key: ApiKey) -> str | None:
    """Return the tenant of a key that is for one alone."""
    return next(iter(key.tenants)) if len(key.tenants) == 1 and not key.is_for_every_tenant else None


def _open_states(state: str | None) -> frozenset[State] | None:
    """Return the states of the open calls to list, None for all of them."""
    if state in OPEN_STATES:
        return frozenset({State(state)})
    return None if state in {None, "live"} else frozenset()


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else _to_ms(moment)


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _problem(error: SwitchboardError | RequestValidationError) -> Problem:
    match error:
        case Problem():
            return error
        case RequestValidationError():
            # A parameter that is left out is None, which one that was sent cannot be.
            found = [each for each in error.errors() if each["type"] != "none_required"]
            return problems.FieldsInvalid([_field(each) for each in found])
        case InvalidCursor():
            return problems.FieldsInvalid([FieldProblem(field="cursor", problem=str(error))])
        case DatabaseUnavailable() | SchemaOutdated() | SchemaTooNew():
            return problems.RecordsUnavailable()
        case _ if error.retryable:
            return problems.Unavailable()
        case _:
            raise error


def _field(error: dict[str, Any]) -> FieldProblem:
    # The first part says where: in the query, the path or a header. Behind the name is how pydantic has read it.
    where, *names = error["loc"]
    path = str(names[0] if names else where)
    return FieldProblem(field=path, problem=str(error["msg"]).removeprefix("Value error, "))


def _log(problem: Problem, error: Exception) -> None:
    fields: dict[str, Any] = {"code": problem.code}
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        fields["problem"] = str(error)
    logger.warning("API request refused", extra=fields)
