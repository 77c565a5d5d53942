from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.errors import InvalidSetting
from tasks.settings import AfterWait, Settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_", "REDIS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LIVEKIT_API_KEY", "main")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "main secret")


def test_the_defaults_are_three_tiers_with_a_queue_each() -> None:
    assert Settings.read().tiers == {"premium": "premium", "standard": "standard", "free": "free"}


def test_tiers_may_name_their_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_TIERS", "gold=fast, silver=slow, bronze=slow, extra")
    settings = Settings.read()
    assert settings.tiers == {"gold": "fast", "silver": "slow", "bronze": "slow", "extra": "extra"}
    assert settings.queues == ("fast", "slow", "extra")


def test_waiting_is_set_for_each_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_TIER_CAPS", "premium=50, free=5")
    monkeypatch.setenv("SWITCHBOARD_MAX_WAIT_SECONDS", "free=2.5")
    monkeypatch.setenv("SWITCHBOARD_AFTER_WAIT", "premium=go on,free=end")
    settings = Settings.read()
    assert settings.tier_caps == {"premium": 50, "free": 5}
    assert settings.max_wait_seconds == {"free": 2.5}
    assert settings.after_wait == {"premium": AfterWait.GO_ON, "free": AfterWait.END}


def test_a_limit_for_a_tier_that_does_not_exist_names_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_TIER_CAPS", "gold=5")
    with pytest.raises(InvalidSetting, match=r"no tier 'gold'; the tiers are premium, standard, free"):
        Settings.read()


def test_all_signing_keys_are_accepted_during_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_WEBHOOK_KEYS", "old:old secret,older:older secret")
    assert Settings.read().signing_keys == {"main": "main secret", "old": "old secret", "older": "older secret"}


def test_a_secret_may_be_given_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    monkeypatch.delenv("LIVEKIT_API_SECRET")
    monkeypatch.setenv("LIVEKIT_API_SECRET_FILE", str(secret))
    url = tmp_path / "url"
    url.write_text("redis://:hidden@127.0.0.1:6379/0\n")
    monkeypatch.setenv("REDIS_URL_FILE", str(url))
    settings = Settings.read()
    assert settings.livekit_api_secret.get_secret_value() == "from a file"
    assert settings.redis_url.get_secret_value() == "redis://:hidden@127.0.0.1:6379/0"


def test_a_missing_secret_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEKIT_API_SECRET")
    with pytest.raises(InvalidSetting, match=r"LIVEKIT_API_SECRET = '\(not set\)' is not usable: Field required"):
        Settings.read()


def test_a_secret_file_that_is_not_there_names_the_variable_and_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL_FILE", "/nowhere/redis")
    with pytest.raises(InvalidSetting, match=r"REDIS_URL_FILE = '/nowhere/redis'.*No such file"):
        Settings.read()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SWITCHBOARD_LOAD_THRESHOLD", "7"),
        ("SWITCHBOARD_SLOTS", "many"),
        ("SWITCHBOARD_SLOTS", "-3"),
        ("SWITCHBOARD_TIERS", "premium="),
        ("SWITCHBOARD_TIER_CAPS", "premium=-5"),
        ("SWITCHBOARD_MAX_WAIT_SECONDS", "premium=soon"),
        ("SWITCHBOARD_AFTER_WAIT", "premium=hang up"),
        ("SWITCHBOARD_QUEUED_PER_TENANT", "-1"),
        ("SWITCHBOARD_WEBHOOK_KEYS", "a key without its secret"),
        ("SWITCHBOARD_ENCRYPTION_KEYS", "no such key"),
    ],
)
def test_a_bad_value_names_its_variable_and_is_not_repeated_where_it_may_be_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting, match=variable) as raised:
        Settings.read()
    assert value not in str(raised.value)


def test_a_key_source_is_a_module_and_an_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_KEY_SOURCE", "our_vault.py")
    with pytest.raises(
        InvalidSetting, match=r"SWITCHBOARD_KEY_SOURCE = 'our_vault\.py' is not usable: write it as module"
    ):
        Settings.read()


def test_no_secret_shows_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_WEBHOOK_KEYS", "old:hidden")
    monkeypatch.setenv("REDIS_URL", "redis://:hidden@127.0.0.1:6379/0")
    shown = repr(Settings.read()) + str(Settings.read())
    assert "hidden" not in shown
    assert "main secret" not in shown
