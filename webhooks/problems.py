"""Refusals of requests for calls, about calls, and of Twilio's, as RFC 9457 problems. A docstring is its `detail`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from tasks.errors import SwitchboardError
from webhooks.body import BodyReader
from webhooks.errors import BodyCutShort, BodyTooLarge, BodyTooSlow, TooManyBodies

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """A field that is not valid, and the reason."""

    field: str = Field(description="Path of the field: `tenant_id`, `metadata.tenant_id`, `Idempotency-Key`.")
    problem: str


class ProblemBody(BaseModel):
    """The body of a problem: the fields of RFC 9457, and `code` and `errors`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "code": "tenant_unknown",
                    "detail": "There is no such tenant.",
                    "errors": [{"field": "tenant_id", "problem": "There is no such tenant."}],
                },
            ],
        },
    )

    type: str = "about:blank"
    title: str = Field(description="The reason phrase of the status.")
    status: int
    code: str = Field(description="The problem, for programs.")
    detail: str = Field(description="The problem and its cure, for people.")
    errors: list[FieldProblem] = Field(description="The fields that are not valid, if any.")


class Problem(SwitchboardError):
    """The request is refused."""

    status: ClassVar[int]
    code: ClassVar[str]
    """For programs. Also a label in the metrics, so one of a fixed set."""
    field: ClassVar[str | None] = None
    retry_after = 2
    """The pause before another try, in seconds, if that may help."""

    @property
    def errors(self) -> list[FieldProblem]:
        """The fields that are not valid."""
        return [FieldProblem(field=self.field, problem=str(self))] if self.field else []


class NotOffered(Problem):
    """This endpoint is not enabled: the operator has to set {setting}."""

    status = 404
    code = "not_offered"


class ApiKeyMissing(Problem):
    """The API key is missing. Send it as `Authorization: Bearer <key>`."""

    status = 401
    code = "api_key_missing"


class ApiKeyUnknown(Problem):
    """The API key is unknown."""

    status = 401
    code = "api_key_unknown"


class ApiKeyExpired(Problem):
    """The API key has expired. Ask the operator for another one."""

    status = 401
    code = "api_key_expired"


class ScopeMissing(Problem):
    """The API key has not the scope {scope}. Ask the operator for a key that has it."""

    status = 403
    code = "scope_missing"


class TenantForbidden(Problem):
    """The API key is not for this tenant."""

    status = 403
    code = "tenant_forbidden"
    field = "tenant_id"


class TenantUnknown(Problem):
    """There is no such tenant."""

    status = 404
    code = "tenant_unknown"
    field = "tenant_id"


class TenantUnusable(Problem):
    """The tenant's declaration is not valid. The operator finds the reason in the receiver's log."""

    status = 422
    code = "tenant_unusable"
    field = "tenant_id"


class WaitlistFull(Problem):
    """The tenant has as many waiting calls as it may have. Try again."""

    status = 429
    code = "waitlist_full"
    retryable = True


class TenantUnnamed(Problem):
    """The API key is for several tenants. Name one of them."""

    status = 422
    code = "tenant_unnamed"
    field = "tenant_id"


class CallUnknown(Problem):
    """There is no such call."""

    status = 404
    code = "call_unknown"


class CallOpen(Problem):
    """The call goes on, or its record is not written yet, which takes a second or two. Erase it when it is over."""

    status = 409
    code = "call_open"


class CallOver(Problem):
    """The call is over. What is kept of it is erased when its time is over, or with the scope `calls:erase`."""

    status = 409
    code = "call_over"


class RecordsUnavailable(Problem):
    """The records of calls cannot be read now. Try again. Open calls alone (`state=live`) can be listed meanwhile."""

    status = 503
    code = "records_unavailable"
    retryable = True
    retry_after = 5


class NotJson(Problem):
    """The body is not JSON in UTF-8."""

    status = 400
    code = "not_json"


class BodyIncomplete(Problem):
    """The connection was closed before the end of the body."""

    status = 400
    code = "body_incomplete"


class BodyOverLimit(Problem):
    """The body is larger than {limit} bytes."""

    status = 413
    code = "body_too_large"


class BodyLate(Problem):
    """The body did not arrive in time."""

    status = 408
    code = "body_too_slow"


class Busy(Problem):
    """Too many requests are being read at the same time. Try again."""

    status = 503
    code = "busy"
    retryable = True


class RateExceeded(Problem):
    """More was requested than the rate of {subject} allows. Try again in {seconds} s."""

    status = 429
    code = "rate_exceeded"
    retryable = True

    def __init__(self, *, subject: str, seconds: int) -> None:
        super().__init__(subject=subject, seconds=seconds)
        self.retry_after = seconds


class MediaTypeWrong(Problem):
    """The body has to be sent as application/json."""

    status = 415
    code = "media_type_wrong"


class FieldsInvalid(Problem):
    """The request is not valid; `errors` names the fields."""

    status = 422
    code = "fields_invalid"

    def __init__(self, errors: list[FieldProblem]) -> None:
        super().__init__()
        self._errors = errors

    @property
    def errors(self) -> list[FieldProblem]:
        """The fields that are not valid."""
        return self._errors


class IdempotencyKeyInvalid(Problem):
    """An idempotency key is 1 to 255 printable ASCII characters without a space."""

    status = 400
    code = "idempotency_key_invalid"
    field = "Idempotency-Key"


class IdempotencyKeyReused(Problem):
    """The idempotency key was used for another request. Use a new key for each call."""

    status = 409
    code = "idempotency_key_reused"
    field = "Idempotency-Key"


class LiveKitRefused(Problem):
    """The LiveKit server did not create the room ({error}). The operator has to check LIVEKIT_URL and the API key."""

    status = 502
    code = "livekit_refused"


class LiveKitUnavailable(Problem):
    """The LiveKit server does not answer ({error}). Try again."""

    status = 503
    code = "livekit_unavailable"
    retryable = True


class Unavailable(Problem):
    """Redis does not answer, or the tenants cannot be read now. Try again."""

    status = 503
    code = "unavailable"
    retryable = True


class SignatureInvalid(Problem):
    """The X-Twilio-Signature is not valid for this request.

    If Twilio sent it, compare SWITCHBOARD_PUBLIC_URL and the auth token with Twilio's console.
    """

    status = 403
    code = "signature_invalid"


class FormIncomplete(Problem):
    """The form has no {parameter}."""

    status = 400
    code = "form_incomplete"


def documented(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Return the responses with problems, by their statuses, as OpenAPI has them."""
    return {status: _documented(status, text) for status, text in descriptions.items()}


def _documented(status: int, description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    response: dict[str, Any] = {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
    if status == HTTPStatus.UNAUTHORIZED:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        wait = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
        response["headers"] = {"Retry-After": wait}
    return response


async def read_body(reader: BodyReader, request: Request) -> bytes:
    """Return the body. Raises BodyOverLimit, BodyIncomplete, BodyLate and Busy."""
    try:
        return await reader.read(request)
    except BodyTooLarge:
        raise BodyOverLimit(limit=reader.limit) from None
    except BodyCutShort:
        raise BodyIncomplete from None
    except BodyTooSlow:
        raise BodyLate from None
    except TooManyBodies:
        raise Busy from None


def problem_response(problem: Problem) -> JSONResponse:
    """Return the response to a request that is refused with this problem."""
    body = ProblemBody(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        code=problem.code,
        detail=str(problem),
        errors=problem.errors,
    )
    headers = {"Retry-After": str(problem.retry_after)} if problem.retryable else {}
    if problem.status == HTTPStatus.REQUEST_TIMEOUT:
        # Else the server would go on to wait for the rest of the body.
        headers["Connection"] = "close"
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)
