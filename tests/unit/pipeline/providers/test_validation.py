"""Validation of a provider's options, without its key and without a connection."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.errors import ExtraMissing, InvalidProviderOption
from pipeline.options import ProviderOptions, Secret
from pipeline.providers import PROVIDERS, validate
from pipeline.providers.registry import Provider

EVERY = [pytest.param(provider, id=f"{provider.kind}-{provider.name}") for provider in PROVIDERS]


def least(provider: Provider) -> ProviderOptions:
    """Return the fewest options that this provider needs."""
    extra = {"graph": "a.module:graph"} if provider.name == "langgraph" else {}
    key = None if provider.key == "never" else Secret("env:A_REFERENCE")
    return ProviderOptions(provider.name, api_key=key, extra=extra)


@pytest.mark.parametrize("provider", EVERY)
def test_a_reference_is_enough_for_a_key(provider: Provider) -> None:
    validate(provider.kind, least(provider))


@pytest.mark.parametrize("provider", [provider for provider in PROVIDERS if provider.extra], ids=lambda each: each.name)
def test_a_missing_plugin_is_an_error_that_names_its_extra(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.providers.validation.find_spec", lambda _: None)
    with pytest.raises(ExtraMissing) as raised:
        validate(provider.kind, least(provider))
    assert f'pip install "livekit-switchboard[{provider.extra}]"' in str(raised.value)


def test_a_fallback_is_validated_like_the_provider_itself() -> None:
    wrong = ProviderOptions("openai", api_key=Secret("env:A_REFERENCE"), extra={"temperature": 9})
    with pytest.raises(InvalidProviderOption, match="temperature = 9"):
        validate("llm", ProviderOptions("local", fallbacks=(wrong,)))


def test_a_fallback_has_none_of_its_own() -> None:
    local = ProviderOptions("local")
    nested = ProviderOptions("local", fallbacks=(ProviderOptions("local", fallbacks=(local,)),))
    with pytest.raises(InvalidProviderOption, match="write them one after another"):
        validate("llm", nested)


EVERYTHING = """
import sys
from pipeline.errors import ExtraMissing, InvalidProviderOption
from pipeline.options import ProviderOptions, Secret
from pipeline.providers import PROVIDERS, validate
for provider in PROVIDERS:
    key = None if provider.key == "never" else Secret("env:A_REFERENCE")
    extra = {"graph": "a.module:graph"} if provider.name == "langgraph" else {}
    validate(provider.kind, ProviderOptions(provider.name, api_key=key, extra=extra))
heavy = ("livekit.agents", "livekit.plugins.", "livekit.rtc")
print([name for name in sys.modules if name.startswith(heavy)])
"""


def test_validation_imports_no_plugin_and_not_livekit_agents() -> None:
    command = [sys.executable, "-c", EVERYTHING]
    done = subprocess.run(command, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
