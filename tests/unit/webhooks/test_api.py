"""What a receiver offers that was not told whom to offer it to, and what it says about itself if it was told to."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from tasks.settings import Settings
from tests.unit.webhooks.asgi import request
from tests.unit.webhooks.memory import KEY, SECRET, MemoryDispatcher
from webhooks.app import create_app


@pytest.mark.parametrize("path", ["/calls", "/twilio/incoming"])
async def test_without_keys_nothing_is_offered(app: FastAPI, path: str) -> None:
    answer = await request(app, "POST", path, body=b"{}", headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["code"]) == (404, "not_offered")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_document_names_every_field_and_how_to_be_let_in() -> None:
    settings = Settings(livekit_api_key=KEY, livekit_api_secret=SecretStr(SECRET), api_docs=True)
    app = create_app(settings, connect=lambda _: MemoryDispatcher())
    async with app.router.lifespan_context(app):
        document = (await request(app, "GET", "/openapi.json")).json

    assert set(document["paths"]) == {"/calls", "/twilio/incoming"}
    assert document["components"]["schemas"]["CallWanted"]["required"] == ["tenant_id"]
    assert document["paths"]["/calls"]["post"]["security"] == [{"apiKey": []}]
    assert document["paths"]["/twilio/incoming"]["post"]["security"] == [{"twilioSignature": []}]
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "twilioSignature"}
