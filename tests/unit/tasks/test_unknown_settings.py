"""Variables that look like settings and are none are named, with the nearest setting."""

from __future__ import annotations

import pytest

from tasks.settings import ConsoleSettings, FlowerSettings, Settings, unknown_settings


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("SWITCHBOARD_SLOT", "SWITCHBOARD_SLOT is not a setting; the nearest is SWITCHBOARD_SLOTS"),
        ("SWITCHBOARD_TEIRS", "SWITCHBOARD_TEIRS is not a setting; the nearest is SWITCHBOARD_TIERS"),
        (
            "SWITCHBOARD_ENCRYPTION_KEY",
            "SWITCHBOARD_ENCRYPTION_KEY is not a setting; the nearest is SWITCHBOARD_ENCRYPTION_KEYS",
        ),
        (
            "SWITCHBOARD_LEASE_TTL_MS_FILES",
            "SWITCHBOARD_LEASE_TTL_MS_FILES is not a setting; the nearest is SWITCHBOARD_LEASE_TTL_MS_FILE",
        ),
        ("SWITCHBOARD_QQQ", "SWITCHBOARD_QQQ is not a setting"),
        ("LIVEKIT_URI", "LIVEKIT_URI is not a setting; the nearest is LIVEKIT_URL"),
        ("REDIS_URI", "REDIS_URI is not a setting; the nearest is REDIS_URL"),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest_setting(variable: str, sentence: str) -> None:
    assert unknown_settings({variable: "x", "LIVEKIT_API_KEY": "key"}) == [sentence]


def test_every_setting_and_its_file_are_known() -> None:
    names = Settings.variables().keys() | ConsoleSettings.variables().keys() | FlowerSettings.variables().keys()
    assert unknown_settings(dict.fromkeys([*names, *(f"{name}_FILE" for name in names)], "x")) == []


@pytest.mark.parametrize(
    "variable",
    [
        # What Kubernetes adds for a service called switchboard, or switchboard-receiver.
        "SWITCHBOARD_SERVICE_HOST",
        "SWITCHBOARD_SERVICE_PORT",
        "SWITCHBOARD_SERVICE_PORT_HTTP",
        "SWITCHBOARD_PORT",
        "SWITCHBOARD_PORT_8000_TCP",
        "SWITCHBOARD_PORT_8000_TCP_ADDR",
        "SWITCHBOARD_RECEIVER_SERVICE_HOST",
        "SWITCHBOARD_RECEIVER_PORT_8000_TCP_PROTO",
        "REDIS_PORT",
        "REDIS_SERVICE_HOST",
        # What livekit-agents reads.
        "LIVEKIT_AGENT_NAME",
        "LIVEKIT_LOG_LEVEL",
        "LIVEKIT_OBSERVABILITY_URL",
    ],
)
def test_variables_of_others_are_not_named(variable: str) -> None:
    assert unknown_settings({variable: "x"}) == []
