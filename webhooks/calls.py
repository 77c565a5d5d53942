"""POST /calls: a backend asks for a call, and gets a token with which its caller joins."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from tasks.errors import SwitchboardError, TenantInvalid, UnknownTenant
from tasks.idempotency import IdempotencyKey
from tasks.queue.dispatcher import Dispatching
from tasks.settings import Settings
from tasks.tenants.api_keys import Scope
from webhooks import problems
from webhooks.authentication import Authentication
from webhooks.body import BodyReader
from webhooks.call_creator import CallCreator
from webhooks.call_rates import CallRates
from webhooks.caller_token import TokenSigner
from webhooks.metrics import Metrics
from webhooks.problems import FieldProblem, Problem
from webhooks.schemas import CallRequest, CallResponse

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()

MAX_BYTES = 64 << 10
MADE, REPEATED = "made", "repeated"
_MAX_FIELD_PROBLEMS = 20
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class CallsEndpoint:
    """State of the endpoint, on `app.state.calls_endpoint` while the app runs."""

    authentication: Authentication
    creator: CallCreator
    dispatcher: Dispatching
    signer: TokenSigner
    metrics: Metrics
    url: str
    rates: CallRates
    bodies: BodyReader

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        authentication: Authentication,
        creator: CallCreator,
        dispatcher: Dispatching,
        metrics: Metrics,
        rates: CallRates,
    ) -> Self:
        """Return the endpoint."""
        return cls(
            authentication=authentication,
            creator=creator,
            dispatcher=dispatcher,
            signer=TokenSigner(settings.livekit.api_key, settings.livekit.api_secret.get_secret_value()),
            metrics=metrics,
            url=settings.livekit.public_url or settings.livekit.url,
            rates=rates,
            bodies=BodyReader(MAX_BYTES),
        )


@router.post("/calls", status_code=201, response_model=CallResponse)
async def create_call(request: Request) -> JSONResponse:
    """Create a call: a room whose agent is on its way, and a token for the caller.

    With an `Idempotency-Key`, the same request creates one call and gets the same answer for 24 hours.
    """
    endpoint: CallsEndpoint = request.app.state.calls_endpoint
    try:
        outcome, response = await _create(request, endpoint)
    except SwitchboardError as error:
        problem = _problem(error)
        endpoint.metrics.count_call(problem.code)
        _log(problem, error)
        return problems.problem_response(problem)
    endpoint.metrics.count_call(outcome)
    return JSONResponse(response.model_dump(mode="json"), 201, {"Cache-Control": "no-store"})


async def _create(request: Request, endpoint: CallsEndpoint) -> tuple[str, CallResponse]:
    backend = await endpoint.authentication.require(request, Scope.CALLS_CREATE)
    endpoint.rates.take("this API key", backend.key.sha256)
    call_request, content = await _read(request, endpoint)
    idempotency_key = _idempotency_key(request, backend.presented, content)
    if not backend.key.allows(call_request.tenant_id):
        raise problems.TenantForbidden
    tenant = await endpoint.dispatcher.tenant(call_request.tenant_id)
    endpoint.rates.take("this tenant", tenant.id)
    call = await endpoint.creator.create(
        tenant.id,
        call_request.metadata,
        agent_metadata=call_request.agent_metadata,
        wait_seconds=call_request.token_ttl_seconds,
        idempotency_key=idempotency_key,
    )
    # Derived from the room's name, so that a repeated request gets the same identity.
    identity = call_request.identity or f"caller-{call.room.rpartition('-')[2]}"
    expires_at = call.requested_at + call_request.token_ttl_seconds
    response = CallResponse(
        url=endpoint.url,
        room=call.room,
        sid=call.sid,
        identity=identity,
        token=endpoint.signer.sign(
            room=call.room,
            identity=identity,
            name=call_request.name,
            valid_from=call.requested_at,
            expires_at=expires_at,
        ),
        expires_at=datetime.fromtimestamp(expires_at, UTC),
    )
    return (REPEATED if call.repeated else MADE), response


async def _read(request: Request, endpoint: CallsEndpoint) -> tuple[CallRequest, bytes]:
    """Return the request, and its content in canonical form: the same for two spellings of the same JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise problems.MediaTypeWrong
    raw = await problems.read_body(endpoint.bodies, request)
    try:
        call_request = CallRequest.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error) from None
    content = json.dumps(call_request.model_dump(mode="json"), sort_keys=True)
    return call_request, content.encode()


def _invalid(error: ValidationError) -> Problem:
    errors = error.errors(include_input=False, include_url=False, include_context=False)
    if any(each["type"] == "json_invalid" for each in errors):
        return problems.NotJson()
    return problems.FieldsInvalid(
        [
            FieldProblem(
                field=".".join(map(str, each["loc"])) or "body",
                problem=each["msg"].removeprefix("Value error, "),
            )
            for each in errors[:_MAX_FIELD_PROBLEMS]
        ],
    )


def _idempotency_key(request: Request, presented: str, content: bytes) -> IdempotencyKey | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise problems.IdempotencyKeyInvalid
    # Keyed with the API key, so that the same idempotency key of two backends means two requests.
    return IdempotencyKey.of(secret=presented, key=key, content=content)


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
    if problem is not error or problem.status >= 500:  # noqa: PLR2004 - server errors are the operator's to fix
        fields["problem"] = str(error)
    logger.warning("call request refused", extra=fields)
