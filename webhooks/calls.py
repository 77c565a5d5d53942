"""POST /calls: a company's backend asks for a call, and is told where its caller is to join."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from tasks.errors import SwitchboardError, TenantInvalid, UnknownTenant
from tasks.idempotency import Once
from tasks.settings import Settings
from tasks.tenants import Tenant
from webhooks import body, problems
from webhooks.api_keys import ApiKey, ApiKeys
from webhooks.call_creator import CallMaker
from webhooks.caller_token import TokenSigner
from webhooks.errors import BodyCutShort, BodyTooLarge
from webhooks.metrics import Metrics
from webhooks.problems import FieldProblem, Problem
from webhooks.schemas import CallMade, CallWanted

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()

MAX_BYTES = 32 << 10
MADE, REPEATED = "made", "repeated"
_MOST_ERRORS = 20
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Tenants(Protocol):
    """What is needed of tasks.queue.dispatcher.Dispatcher."""

    async def tenant(self, tenant: str) -> Tenant:
        """One tenant, as it is now."""
        ...


@dataclass(frozen=True)
class Desk:
    """What the route works with; on `app.state.desk` while the app is up."""

    keys: ApiKeys
    maker: CallMaker
    tenants: Tenants
    signer: TokenSigner
    metrics: Metrics
    url: str

    @classmethod
    def from_settings(cls, settings: Settings, maker: CallMaker, tenants: Tenants, metrics: Metrics) -> Self:
        """Raises InvalidSetting."""
        return cls(
            keys=ApiKeys.parse(settings.api_keys.get_secret_value() if settings.api_keys else ""),
            maker=maker,
            tenants=tenants,
            signer=TokenSigner(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()),
            metrics=metrics,
            url=settings.public_livekit_url or settings.livekit_url,
        )


@router.post("/calls", status_code=201, response_model=CallMade)
async def make_call(request: Request) -> JSONResponse:
    """Make a call: a room whose agent is on its way, and a token for the caller.

    With an `Idempotency-Key` the same request makes the same call and gets the same answer for 24 hours.
    """
    desk: Desk = request.app.state.desk
    try:
        outcome, made = await _make(request, desk)
    except SwitchboardError as error:
        problem = _problem(error)
        desk.metrics.count_call(problem.code)
        _log(problem, error)
        return problems.answer(problem)
    desk.metrics.count_call(outcome)
    return JSONResponse(made.model_dump(mode="json"), 201, {"Cache-Control": "no-store"})


async def _make(request: Request, desk: Desk) -> tuple[str, CallMade]:
    presented, key = _authorised(request, desk.keys)
    wanted, content = await _read(request)
    once = _once(request, presented, content)
    if not key.allows(wanted.tenant_id):
        raise problems.TenantForbidden
    tenant = await desk.tenants.tenant(wanted.tenant_id)
    call = await desk.maker.make(tenant.id, wanted.metadata, wait_seconds=wanted.token_ttl_seconds, once=once)
    # What is made up has to be the same when the request comes again.
    identity = wanted.identity or f"caller-{call.room.rpartition('-')[2]}"
    expires_at = call.made_at + wanted.token_ttl_seconds
    made = CallMade(
        url=desk.url,
        room=call.room,
        sid=call.sid,
        identity=identity,
        token=desk.signer.sign(
            room=call.room, identity=identity, name=wanted.name, made_at=call.made_at, expires_at=expires_at
        ),
        expires_at=datetime.fromtimestamp(expires_at, UTC),
    )
    return (REPEATED if call.again else MADE), made


def _authorised(request: Request, keys: ApiKeys) -> tuple[str, ApiKey]:
    if not keys:
        raise problems.NotOffered(setting="SWITCHBOARD_API_KEYS")
    scheme, _, credentials = request.headers.get("authorization", "").strip().partition(" ")
    presented = credentials.strip()
    if scheme.lower() != "bearer" or not presented:
        raise problems.ApiKeyMissing
    key = keys.find(presented)
    if key is None:
        raise problems.ApiKeyUnknown
    return presented, key


async def _read(request: Request) -> tuple[CallWanted, bytes]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise problems.MediaTypeWrong
    try:
        raw = await body.read(request, MAX_BYTES)
    except BodyTooLarge:
        raise problems.BodyOverLimit(limit=MAX_BYTES) from None
    except BodyCutShort:
        raise problems.BodyIncomplete from None
    try:
        wanted = CallWanted.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error) from None
    # Two ways to write the same request are one request.
    content = json.dumps(wanted.model_dump(mode="json"), sort_keys=True)
    return wanted, content.encode()


def _invalid(error: ValidationError) -> Problem:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if any(problem["type"] == "json_invalid" for problem in found):
        return problems.NotJson()
    return problems.FieldsInvalid(
        [
            FieldProblem(
                field=".".join(map(str, problem["loc"])) or "body",
                problem=problem["msg"].removeprefix("Value error, "),
            )
            for problem in found[:_MOST_ERRORS]
        ],
    )


def _once(request: Request, presented: str, content: bytes) -> Once | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise problems.IdempotencyKeyInvalid
    # Keyed with the API key, so that nobody meets another's requests.
    return Once.of(secret=presented, key=key, content=content)


def _problem(error: SwitchboardError) -> Problem:
    match error:
        case Problem():
            return error
        case UnknownTenant():
            return problems.TenantUnknown()
        case TenantInvalid():
            return problems.TenantUnusable()
        case _ if error.retryable:
            return problems.Unavailable()
        case _:
            raise error


def _log(problem: Problem, error: SwitchboardError) -> None:
    fields: dict[str, Any] = {"code": problem.code}
    if problem is not error or problem.status >= 500:  # noqa: PLR2004 - whatever is the operator's to mend
        fields["problem"] = str(error)
    logger.warning("no call made", extra=fields)
