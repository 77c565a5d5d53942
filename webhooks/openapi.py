"""The OpenAPI document of what backends and Twilio request. LiveKit's and the operators' endpoints are not in it.

FastAPI derives it from the routes. Those of POST /calls and POST /twilio/incoming read their requests themselves, so
that a sender is authenticated before its body is parsed; what FastAPI cannot know of them is completed here.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema
from starlette.types import ASGIApp

from webhooks import problems
from webhooks.authentication import API_KEY
from webhooks.problems import ProblemBody
from webhooks.request_context import RequestContext, route_of
from webhooks.schemas import CallRequest, CallResponse
from webhooks.twiml import dial

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Calls for voice agents. `POST /calls` creates a call and returns a token with which its caller joins. Twilio sends
incoming telephone calls to `POST /twilio/incoming`. A backend lists its calls, looks at one, ends one, and reads usage
and concurrency. A key sees its tenants alone: calls of others are as unknown as those that never were. Every refusal is
an RFC 9457 problem, whose `code` is for programs.
"""
_CALLS = {
    "operationId": "createCall",
    "security": [{"apiKey": []}],
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Makes retries safe: for 24 hours the same request with this key creates no second call.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
            "example": "5f0c6a52-0d6f-4b43-9a3c-2f8f0f6a1a55",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="CallRequest")}}},
    },
}
_CALLS_PROBLEMS = {
    400: "The body is not JSON, or the idempotency key is not valid.",
    401: "The API key is missing, unknown or expired.",
    403: "The API key is not for this tenant, or has not the scope.",
    404: "There is no such tenant.",
    409: "The idempotency key was used for another request.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A field is not valid, or the tenant's declaration is not.",
    429: "As many calls of the tenant wait as may, or more were requested than a rate allows.",
    502: "The LiveKit server refuses to create the room.",
    503: "LiveKit or Redis does not answer now.",
}
_DIAL = dial(
    "sip:call-acme-0123456789abcdef@sip.example.com",
    username=None,
    password=None,
    timeout_seconds=600,
    action="https://calls.example.com/twilio/dialled",
)
_TWILIO = {
    "operationId": "answerTelephoneCall",
    "security": [{"twilioSignature": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["AccountSid", "CallSid", "To"],
                    "properties": {
                        "AccountSid": {"type": "string", "minLength": 1},
                        "CallSid": {"type": "string", "minLength": 1, "example": "CA1234567890ABCDE"},
                        "To": {"type": "string", "minLength": 1, "example": "+15551234567"},
                        "From": {"type": "string", "example": "+15557654321"},
                    },
                    "additionalProperties": {"type": "string"},
                },
            },
        },
    },
}
_TWILIO_PROBLEMS = {
    400: "The form lacks a parameter.",
    403: "The signature is not valid for this request.",
    404: "The endpoint is not offered.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    503: "Too many requests are being read.",
}
_SECURITY = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": API_KEY},
    "twilioSignature": {"type": "apiKey", "in": "header", "name": "X-Twilio-Signature"},
}


class DocumentedApp(FastAPI):
    """An app with this document, which is served only if `docs` is true."""

    def __init__(self, *, docs: bool, **options: Any) -> None:
        served = "/openapi.json" if docs else None
        # Without /openapi.json FastAPI does not serve /docs either.
        super().__init__(title="Switchboard", openapi_url=served, redoc_url=None, **options)
        self.add_exception_handler(405, self._refuse_method)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the app with all its middleware, and around it the context of requests."""
        return RequestContext(super().build_middleware_stack())

    async def _refuse_method(self, request: Request, error: Exception) -> JSONResponse:
        """Say which methods a path has. Starlette knows those of one route, and a path has one for each method."""
        route = route_of(request.url.path) or ""
        methods = sorted(method.upper() for method in self.openapi()["paths"].get(route, {}))
        known = getattr(error, "headers", None) or {}
        headers = {"Allow": ", ".join(methods)} if methods else known
        return JSONResponse({"detail": "Method Not Allowed"}, 405, headers)

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        if not self.openapi_schema:
            document = get_openapi(
                title=self.title,
                version=metadata.version("livekit-switchboard"),
                description=_DESCRIPTION,
                routes=self.routes,
            )
            _complete(document)
            self.openapi_schema = document
        return self.openapi_schema


def _complete(document: dict[str, Any]) -> None:
    models = (CallRequest, CallResponse, ProblemBody)
    _, schemas = models_json_schema(
        [(model, "validation" if model is CallRequest else "serialization") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas["$defs"])
    components.setdefault("securitySchemes", {}).update(_SECURITY)
    calls, twilio = document["paths"]["/calls"]["post"], document["paths"]["/twilio/incoming"]["post"]
    for operation, content, refusals in ((calls, _CALLS, _CALLS_PROBLEMS), (twilio, _TWILIO, _TWILIO_PROBLEMS)):
        operation.update(content)
        described = problems.documented(refusals)
        operation["responses"].update({str(status): response for status, response in described.items()})
    calls["responses"]["201"]["description"] = "The call is created; its agent is on the way."
    twilio["responses"]["200"] = {
        "description": "TwiML: connect the call to its room, reject it if no tenant has the number, or retry soon.",
        "content": {
            "application/xml": {
                "schema": {"type": "string"},
                "example": _DIAL,
            },
        },
    }
