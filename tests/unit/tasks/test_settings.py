from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import InvalidSetting
from tasks.settings import AfterWait, RedisSettings, Settings, TierSettings

KEYS = {"LIVEKIT_API_KEY": "main", "LIVEKIT_API_SECRET": "main secret"}


def read(**environment: str) -> Settings:
    return Settings.read(KEYS | environment)


def test_the_defaults_are_three_tiers_with_a_queue_each() -> None:
    assert read().tiers.queues == {"premium": "premium", "standard": "standard", "free": "free"}


def test_tiers_may_name_their_queues() -> None:
    tiers = TierSettings.read({"SWITCHBOARD_TIERS": "gold=fast, silver=slow, bronze=slow, extra"})
    assert tiers.queues == {"gold": "fast", "silver": "slow", "bronze": "slow", "extra": "extra"}
    assert tiers.names == {"gold", "silver", "bronze", "extra"}
    assert tiers.queue_names == ("fast", "slow", "extra")


def test_waiting_is_set_for_each_tier() -> None:
    tiers = read(
        SWITCHBOARD_TIER_CAPS="premium=50, free=5",
        SWITCHBOARD_MAX_WAIT_SECONDS="free=2.5",
        SWITCHBOARD_AFTER_WAIT="premium=go on,free=end",
    ).tiers
    assert tiers.caps == {"premium": 50, "free": 5}
    assert tiers.max_wait_seconds == {"free": 2.5}
    assert tiers.after_wait == {"premium": AfterWait.GO_ON, "free": AfterWait.END}


def test_a_limit_for_a_tier_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(InvalidSetting, match=r"TIER_CAPS.*no tier 'gold'; the tiers are premium, standard, free"):
        read(SWITCHBOARD_TIER_CAPS="gold=5")


def test_all_signing_keys_are_accepted_during_a_rotation() -> None:
    livekit = read(SWITCHBOARD_WEBHOOK_KEYS="old:old secret,older:older secret").livekit
    assert livekit.signing_keys == {"main": "main secret", "old": "old secret", "older": "older secret"}


def test_settings_come_from_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SWITCHBOARD_MAX_CALL_SECONDS", "7")
    assert Settings.read().call.max_seconds == 7


def test_a_process_without_the_secrets_of_livekit_reads_the_groups_that_it_needs() -> None:
    assert RedisSettings.read({"REDIS_URL": "redis://elsewhere/1"}).url.get_secret_value() == "redis://elsewhere/1"


def test_a_secret_may_be_given_as_a_file(tmp_path: Path) -> None:
    secret, url = tmp_path / "secret", tmp_path / "url"
    secret.write_text("from a file\n")
    url.write_text("redis://:hidden@127.0.0.1:6379/0\n")
    given = {"LIVEKIT_API_KEY": "main", "LIVEKIT_API_SECRET_FILE": str(secret), "REDIS_URL_FILE": str(url)}
    settings = Settings.read(given)
    assert settings.livekit.api_secret.get_secret_value() == "from a file"
    assert settings.redis.url.get_secret_value() == "redis://:hidden@127.0.0.1:6379/0"


def test_a_variable_wins_over_its_file(tmp_path: Path) -> None:
    file = tmp_path / "level"
    file.write_text("DEBUG\n")
    given = {"SWITCHBOARD_LOG_LEVEL": "ERROR", "SWITCHBOARD_LOG_LEVEL_FILE": str(file)}
    assert read(**given).log.level == "ERROR"


def test_a_missing_secret_names_the_variable() -> None:
    with pytest.raises(InvalidSetting, match=r"LIVEKIT_API_SECRET = '\(not set\)' is not usable: Field required"):
        Settings.read({"LIVEKIT_API_KEY": "main"})


def test_a_secret_file_that_is_not_there_names_the_variable_and_the_path() -> None:
    with pytest.raises(InvalidSetting, match=r"REDIS_URL_FILE = '/nowhere/redis'.*No such file"):
        read(REDIS_URL_FILE="/nowhere/redis")


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
def test_a_bad_value_names_its_variable_and_is_not_repeated_where_it_may_be_secret(variable: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=variable) as raised:
        read(**{variable: value})
    assert value not in str(raised.value)


def test_a_key_source_is_a_module_and_an_attribute() -> None:
    with pytest.raises(
        InvalidSetting, match=r"SWITCHBOARD_KEY_SOURCE = 'our_vault\.py' is not usable: write it as module"
    ):
        read(SWITCHBOARD_KEY_SOURCE="our_vault.py")


def test_no_secret_shows_in_the_settings() -> None:
    settings = read(SWITCHBOARD_WEBHOOK_KEYS="old:hidden", REDIS_URL="redis://:hidden@127.0.0.1:6379/0")
    shown = repr(settings) + str(settings)
    assert "hidden" not in shown
    assert "main secret" not in shown
