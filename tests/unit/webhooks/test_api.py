"""The endpoints of a receiver without API keys, and its OpenAPI document."""

from __future__ import annotations

from fastapi import FastAPI

from tasks.settings import Settings
from tests.unit.webhooks.asgi import request
from tests.unit.webhooks.memory import ENVIRONMENT, MemoryDispatcher
from webhooks.app import create_app


async def test_without_auth_tokens_twilio_is_not_answered(app: FastAPI) -> None:
    answer = await request(app, "POST", "/twilio/incoming", body=b"{}", headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["code"]) == (404, "not_offered")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_key_that_has_not_the_form_of_one_is_refused_without_redis(app: FastAPI) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer what-nobody-has"}
    answer = await request(app, "POST", "/calls", body=b"{}", headers=headers)

    assert (answer.status, answer.json["code"]) == (401, "api_key_unknown")


async def test_the_document_has_every_field_and_the_security_schemes() -> None:
    settings = Settings.read(ENVIRONMENT | {"SWITCHBOARD_API_DOCS": "true"})
    app = create_app(settings, connect=lambda _: MemoryDispatcher())
    async with app.router.lifespan_context(app):
        document = (await request(app, "GET", "/openapi.json")).json

    of_calls = {"/calls", "/calls/{sid}", "/calls/{sid}/erasure"}
    assert set(document["paths"]) == of_calls | {"/usage", "/concurrency", "/twilio/incoming"}
    assert document["components"]["schemas"]["CallRequest"]["required"] == ["tenant_id"]
    assert document["paths"]["/calls"]["post"]["security"] == [{"apiKey": []}]
    assert document["paths"]["/calls/{sid}"]["delete"]["security"] == [{"apiKey": []}]
    assert document["paths"]["/calls/{sid}/erasure"]["post"]["security"] == [{"apiKey": []}]
    assert document["paths"]["/twilio/incoming"]["post"]["security"] == [{"twilioSignature": []}]
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "twilioSignature"}


async def test_a_method_that_a_path_has_not_is_refused_with_those_that_it_has(app: FastAPI) -> None:
    refused = {path: await request(app, "PUT", path) for path in ("/calls", "/calls/RM_1", "/usage", "/healthz")}

    assert {path: (answer.status, answer.headers["allow"]) for path, answer in refused.items()} == {
        "/calls": (405, "GET, POST"),
        "/calls/RM_1": (405, "DELETE, GET"),
        "/usage": (405, "GET"),
        "/healthz": (405, "GET"),
    }
