"""Settings with which the console does not start."""

from __future__ import annotations

import pytest

from ops.console.app import create_app
from tasks.settings import ConsoleSettings


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "SWITCHBOARD_CONSOLE_OPERATORS"),
        ({"SWITCHBOARD_CONSOLE_OPERATORS": "ann:operate:plain text"}, "line 1: the hash of the password"),
        ({"SWITCHBOARD_CONSOLE_OPERATORS": "ann:owner:x"}, "line 1: roles are view, operate, listen"),
        ({"SWITCHBOARD_CONSOLE_OPENID_ISSUER": "https://login.example.com"}, "SWITCHBOARD_CONSOLE_OPENID_CLIENT_ID"),
        ({"SWITCHBOARD_CONSOLE_PUBLIC_URL": "http://console.example.com"}, "it begins with https://"),
    ],
)
def test_a_console_that_nobody_could_use_or_that_is_open_does_not_start(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ConsoleSettings.variables():
        monkeypatch.delenv(name, raising=False)
    for name, value in {"LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "secret", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as refused:
        create_app()
    assert named in str(refused.value)
    assert "plain text" not in str(refused.value)
