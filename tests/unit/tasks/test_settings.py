from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import InvalidSetting, InvalidSettings
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


def test_a_variable_and_its_file_are_not_set_together(tmp_path: Path) -> None:
    file = tmp_path / "level"
    file.write_text("DEBUG\n")
    given = {"SWITCHBOARD_LOG_LEVEL": "ERROR", "SWITCHBOARD_LOG_LEVEL_FILE": str(file)}
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_LOG_LEVEL_FILE is set too; remove one"):
        read(**given)
    # A compose file passes on what the shell does not have as an empty value.
    assert read(**(given | {"SWITCHBOARD_LOG_LEVEL": ""})).log.level == "DEBUG"


def test_a_missing_secret_names_the_variable() -> None:
    missing = r"LIVEKIT_API_SECRET = '\(not set\)' is not usable: set it, or LIVEKIT_API_SECRET_FILE"
    with pytest.raises(InvalidSetting, match=missing):
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
        ("SWITCHBOARD_LOG_LEVEL", "verbose"),
        ("SWITCHBOARD_TIERS", ","),
        ("SWITCHBOARD_TIERS", "gold=one,gold=two"),
        ("SWITCHBOARD_TIERS", "gold=switchboard:rooms"),
        ("SWITCHBOARD_TIERS", '"premium,free"'),
        ("SWITCHBOARD_AGENT", "'our.agent:entrypoint'"),
        ("SWITCHBOARD_LOAD_THRESHOLD", "nan"),
        ("SWITCHBOARD_DRAIN_SECONDS", "inf"),
        ("SWITCHBOARD_MAX_WAIT_SECONDS", "free=inf"),
        ("SWITCHBOARD_MAX_CALL_SECONDS", "1e300"),
        ("SWITCHBOARD_MAX_ATTEMPTS", "1000000000000000000000"),
        ("SWITCHBOARD_TIER_CAPS", "free=1000000000000000000000"),
        ("SWITCHBOARD_SLOTS", "5000"),
        ("SWITCHBOARD_LEASE_TTL_MS", "10"),
        ("SWITCHBOARD_LEASE_RENEW_MS", "2501"),
        ("LIVEKIT_URL", "livekit.example.com"),
        ("LIVEKIT_URL", "localhost:7880"),
        ("LIVEKIT_URL", "ws:/localhost:7880"),
        ("LIVEKIT_URL", "wss://:7880"),
        ("LIVEKIT_URL", "wss://livekit example.com"),
        ("LIVEKIT_URL", "wss://host:port"),
        ("LIVEKIT_URL", "wss://key:secret@livekit.example.com"),
        ("SWITCHBOARD_PUBLIC_LIVEKIT_URL", "livekit.example.com"),
    ],
)
def test_a_bad_value_names_its_variable_and_is_not_repeated_where_it_may_be_secret(variable: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=variable) as raised:
        read(**{variable: value})
    assert value not in str(raised.value)


# Without encryption keys they are derived from another secret, which must not happen by an oversight.
@pytest.mark.parametrize(
    "name", ["SWITCHBOARD_TIERS", "LIVEKIT_URL", "REDIS_URL", "LIVEKIT_API_SECRET", "SWITCHBOARD_ENCRYPTION_KEYS"]
)
def test_an_empty_value_is_refused_where_a_setting_has_to_have_one(name: str) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{name} = "):
        read(**{name: " "})


def test_an_empty_value_of_a_setting_that_may_be_left_out_is_none() -> None:
    settings = read(SWITCHBOARD_DEFAULT_TENANT="", SWITCHBOARD_API_KEYS="", SWITCHBOARD_TIER_CAPS="")
    assert settings.tenants.default is None
    assert settings.receiver.api_keys is None
    assert settings.tiers.caps == {}


def test_all_that_is_wrong_is_said_at_once_in_a_line_each() -> None:
    with pytest.raises(InvalidSettings) as raised:
        Settings.read(
            {
                "LIVEKIT_URL": "localhost:7880",
                "LIVEKIT_API_KEY": "main",
                "SWITCHBOARD_TIERS": "",
                "SWITCHBOARD_TIER_CAPS": "gold=5",
                "SWITCHBOARD_SLOTS": "many",
                "SWITCHBOARD_LOAD_THRESHOLD": "7",
                "SWITCHBOARD_LOG_LEVEL": "verbose",
                "REDIS_URL_FILE": "/nowhere/redis",
            }
        )
    lines = str(raised.value).splitlines()
    assert [line.partition(" = ")[0] for line in lines] == [
        "REDIS_URL_FILE",
        "LIVEKIT_URL",
        "LIVEKIT_API_SECRET",
        "SWITCHBOARD_TIERS",
        "SWITCHBOARD_TIER_CAPS",
        "SWITCHBOARD_SLOTS",
        "SWITCHBOARD_LOAD_THRESHOLD",
        "SWITCHBOARD_LOG_LEVEL",
    ]
    assert [problem.name for problem in raised.value.problems] == [line.partition(" = ")[0] for line in lines]


def test_space_around_a_value_is_no_part_of_it() -> None:
    settings = read(LIVEKIT_API_SECRET="hidden\n", LIVEKIT_URL=" wss://livekit.example.com\n", SWITCHBOARD_SLOTS="3 ")
    assert settings.livekit.api_secret.get_secret_value() == "hidden"
    assert settings.livekit.url == "wss://livekit.example.com"
    assert settings.worker.slots == 3


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://livekit:7880", "ws://livekit:7880"),
        ("https://livekit.example.com/path", "wss://livekit.example.com/path"),
        ("WSS://livekit.example.com", "wss://livekit.example.com"),
        ("ws://[::1]:7880", "ws://[::1]:7880"),
    ],
)
def test_the_address_of_a_livekit_server_may_be_that_of_its_http_api(given: str, used: str) -> None:
    assert read(LIVEKIT_URL=given).livekit.url == used


def test_the_level_of_the_log_may_be_written_small() -> None:
    assert read(SWITCHBOARD_LOG_LEVEL="debug").log.level == "DEBUG"


def test_two_renewals_of_a_lease_are_due_before_its_ttl_is_over() -> None:
    lease = read(SWITCHBOARD_LEASE_TTL_MS="3000", SWITCHBOARD_LEASE_RENEW_MS="1250").lease
    assert lease.renew_ms * 2 < lease.ttl_ms
    # The default of one does not go with every value of the other.
    with pytest.raises(InvalidSetting, match=r"SWITCHBOARD_LEASE_RENEW_MS.*at most .*_TTL_MS / 2.4, 1250"):
        read(SWITCHBOARD_LEASE_TTL_MS="3000")


def test_a_key_source_is_a_module_and_an_attribute() -> None:
    with pytest.raises(
        InvalidSetting, match=r"SWITCHBOARD_KEY_SOURCE = '\*\*\*' is not usable: write it as module:attribute"
    ):
        read(SWITCHBOARD_KEY_SOURCE="our_vault.py")


def test_no_secret_shows_in_the_settings() -> None:
    settings = read(SWITCHBOARD_WEBHOOK_KEYS="old:hidden", REDIS_URL="redis://:hidden@127.0.0.1:6379/0")
    shown = repr(settings) + str(settings)
    assert "hidden" not in shown
    assert "main secret" not in shown
