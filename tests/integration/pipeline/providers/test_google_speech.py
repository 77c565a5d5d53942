"""Google's Cloud Speech-to-Text, as the registry builds it. It uses gRPC, at addresses that cannot be changed."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions, Secret
from pipeline.providers import build_stt

ACCOUNT = {"type": "service_account", "project_id": "of-a-tenant", "client_email": "switchboard@example.com"}


def test_the_key_is_the_tenants_service_account_and_not_the_default_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/foreign.json")
    options = ProviderOptions(
        "google",
        model="chirp_2",
        language="de-DE",
        api_key=Secret(json.dumps(ACCOUNT)),
        extra={"location": "europe-west4", "keyterms": ["Acme"]},
    )
    google = build_stt(options)
    assert (google.provider, google.model, google.capabilities.streaming) == ("Google Cloud Platform", "chirp_2", True)
    assert vars(google)["_credentials_info"] == ACCOUNT
    assert vars(google)["_location"] == "europe-west4"
    config = vars(google)["_config"]
    assert (config.languages, config.keywords) == (["de-DE"], [("Acme", 10.0)])


def test_a_key_that_is_no_service_account_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidProviderOption, match="give the JSON key of a service account") as raised:
        build_stt(ProviderOptions("google", api_key=Secret("AIza-a-key-of-gemini")))
    assert "AIza" not in str(raised.value)
