"""The endpoints of a receiver without API keys, and its OpenAPI document."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tasks.settings import Settings
from tests.unit.webhooks.asgi import request
from tests.unit.webhooks.memory import ENVIRONMENT, MemoryDispatcher
from webhooks.app import create_app


@pytest.mark.parametrize("path", ["/calls", "/twilio/incoming"])
async def test_without_keys_no_endpoint_for_calls_is_enabled(app: FastAPI, path: str) -> None:
    answer = await request(app, "POST", path, body=b"{}", headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["code"]) == (404, "not_offered")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_document_has_every_field_and_the_security_schemes() -> None:
    settings = Settings.read(ENVIRONMENT | {"SWITCHBOARD_API_DOCS": "true"})
    app = create_app(settings, connect=lambda _: MemoryDispatcher())
    async with app.router.lifespan_context(app):
        document = (await request(app, "GET", "/openapi.json")).json

    assert set(document["paths"]) == {"/calls", "/twilio/incoming"}
    assert document["components"]["schemas"]["CallRequest"]["required"] == ["tenant_id"]
    assert document["paths"]["/calls"]["post"]["security"] == [{"apiKey": []}]
    assert document["paths"]["/twilio/incoming"]["post"]["security"] == [{"twilioSignature": []}]
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "twilioSignature"}
