"""Why a request for a call is refused. An error's docstring is what the client is told, in the form of RFC 9457."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from tasks.errors import SwitchboardError

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Where it is: `tenant_id`, `metadata.tenant_id`, `Idempotency-Key`.")
    problem: str


class ProblemBody(BaseModel):
    """A problem, as RFC 9457 has it, with a code that programs can rely on."""

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
    title: str = Field(description="What the status means.")
    status: int
    code: str = Field(description="Which problem it is, for programs.")
    detail: str = Field(description="What is wrong and what helps, for people.")
    errors: list[FieldProblem] = Field(description="The fields that are wrong, if it is about fields.")


class Problem(SwitchboardError):
    """The request is refused."""

    status: ClassVar[int]
    code: ClassVar[str]
    """For programs, and a label in the metrics, so one of few."""
    field: ClassVar[str | None] = None

    @property
    def errors(self) -> list[FieldProblem]:
        """What is wrong with which field."""
        return [FieldProblem(field=self.field, problem=str(self))] if self.field else []


class NotOffered(Problem):
    """This is not offered here: the operator has to set {setting}."""

    status = 404
    code = "not_offered"


class ApiKeyMissing(Problem):
    """There is no API key. Send it as `Authorization: Bearer <key>`."""

    status = 401
    code = "api_key_missing"


class ApiKeyUnknown(Problem):
    """The API key is not known here."""

    status = 401
    code = "api_key_unknown"


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
    """The tenant is declared in a way that does not work. The operator finds the reason in the log."""

    status = 422
    code = "tenant_unusable"
    field = "tenant_id"


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


class MediaTypeWrong(Problem):
    """The body has to be sent as application/json."""

    status = 415
    code = "media_type_wrong"


class FieldsInvalid(Problem):
    """The request is not valid; `errors` says which fields are wrong."""

    status = 422
    code = "fields_invalid"

    def __init__(self, errors: list[FieldProblem]) -> None:
        super().__init__()
        self._errors = errors

    @property
    def errors(self) -> list[FieldProblem]:
        """What is wrong with which field."""
        return self._errors


class IdempotencyKeyInvalid(Problem):
    """An idempotency key is 1 to 255 printable ASCII characters without a space."""

    status = 400
    code = "idempotency_key_invalid"
    field = "Idempotency-Key"


class IdempotencyKeyReused(Problem):
    """The idempotency key was used for another request. Take a new one for each call."""

    status = 409
    code = "idempotency_key_reused"
    field = "Idempotency-Key"


class LiveKitRefused(Problem):
    """The LiveKit server does not make the room ({error}). The operator has to look at LIVEKIT_URL and the API key."""

    status = 502
    code = "livekit_refused"


class LiveKitUnavailable(Problem):
    """The LiveKit server does not answer now ({error}). Try again."""

    status = 503
    code = "livekit_unavailable"
    retryable = True


class Unavailable(Problem):
    """Calls cannot be made now. Try again."""

    status = 503
    code = "unavailable"
    retryable = True


class SignatureInvalid(Problem):
    """The X-Twilio-Signature is not right for this request.

    If Twilio sent it, compare SWITCHBOARD_PUBLIC_URL and the auth token with Twilio's console.
    """

    status = 403
    code = "signature_invalid"


class FormIncomplete(Problem):
    """The form has no {parameter}."""

    status = 400
    code = "form_incomplete"


RETRY_AFTER_SECONDS = 2


def answer(problem: Problem) -> JSONResponse:
    """The response that tells a client of the problem."""
    body = ProblemBody(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        code=problem.code,
        detail=str(problem),
        errors=problem.errors,
    )
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if problem.retryable else {}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)
