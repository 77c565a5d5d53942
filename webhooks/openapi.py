"""The OpenAPI document of what a company's backend and Twilio call. What LiveKit and operators call is not in it.

The routes read their requests themselves, so that a sender is known before its body is looked at. So what FastAPI would
take from their signatures is said here.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from webhooks import problems
from webhooks.problems import ProblemBody
from webhooks.schemas import CallMade, CallWanted
from webhooks.twiml import dial

_REF = "#/components/schemas/{model}"
_DESCRIPTION = """\
Calls for voice agents. `POST /calls` makes a call and says where its caller joins; Twilio asks `POST /twilio/incoming`
what to do with a call by telephone. Every refusal is a problem by RFC 9457, whose `code` is meant for programs.
"""
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}}
_CALLS = {
    "operationId": "makeCall",
    "security": [{"apiKey": []}],
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Makes trying again safe: for 24 hours the same request with this key makes no second call.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
            "example": "5f0c6a52-0d6f-4b43-9a3c-2f8f0f6a1a55",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REF.format(model="CallWanted")}}},
    },
}
_CALLS_REFUSED = {
    400: "The body is not JSON, or the idempotency key is none.",
    401: "There is no API key, or it is not known.",
    403: "The API key is not for this tenant.",
    404: "There is no such tenant, or the endpoint is not offered.",
    409: "The idempotency key was used for another request.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A field is wrong, or the tenant is declared in a way that does not work.",
    502: "The LiveKit server refuses to make the room.",
    503: "LiveKit or Redis does not answer now.",
}
_TWILIO = {
    "operationId": "answerTelephoneCall",
    "security": [{"twilioSignature": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["CallSid", "To"],
                    "properties": {
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
_TWILIO_REFUSED = {
    400: "The form lacks a parameter.",
    403: "The signature is not right for this request.",
    404: "The endpoint is not offered.",
    413: "The body is too large.",
}
_SECURITY = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "A key of SWITCHBOARD_API_KEYS."},
    "twilioSignature": {"type": "apiKey", "in": "header", "name": "X-Twilio-Signature"},
}


class DescribedApp(FastAPI):
    """An app with this document; it is served only if `docs` says so."""

    def __init__(self, *, docs: bool, **options: Any) -> None:
        served = "/openapi.json" if docs else None
        # Without /openapi.json FastAPI serves no pages either.
        super().__init__(title="Switchboard", openapi_url=served, redoc_url=None, **options)

    def openapi(self) -> dict[str, Any]:
        """The document."""
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
    models = (CallWanted, CallMade, ProblemBody)
    _, written = models_json_schema(
        [(model, "validation" if model is CallWanted else "serialization") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    components = document.setdefault("components", {})
    components["schemas"] = written["$defs"]
    components["securitySchemes"] = _SECURITY
    calls, twilio = document["paths"]["/calls"]["post"], document["paths"]["/twilio/incoming"]["post"]
    for operation, described, refused in ((calls, _CALLS, _CALLS_REFUSED), (twilio, _TWILIO, _TWILIO_REFUSED)):
        operation.update(described)
        operation["responses"].update({str(status): _refusal(status, why) for status, why in refused.items()})
    calls["responses"]["201"]["description"] = "The call is made; its agent is on the way."
    calls["responses"]["503"]["headers"] = _RETRY_AFTER
    twilio["responses"]["200"] = {
        "description": "TwiML: connect the call to its room, reject it if nobody has the number, or ask again soon.",
        "content": {
            "application/xml": {
                "schema": {"type": "string"},
                "example": dial("sip:call-acme-0123456789abcdef@sip.example.com", username=None, password=None),
            },
        },
    }


def _refusal(status: int, why: str) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": why,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="ProblemBody")}}},
    }
    if status == 401:  # noqa: PLR2004 - the one that names its scheme
        refusal["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return refusal
