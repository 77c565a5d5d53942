"""Passwords, operators, and where a sign-in may lead to."""

from __future__ import annotations

import pytest

from ops.console.security import local_path, policy
from ops.console.sign_in.operators import PasswordOperators, Role, parse_roles
from ops.console.sign_in.password import PasswordHash
from tasks.errors import InvalidSetting

QUICK = 1 << 10


def test_a_password_matches_its_hash_alone_and_each_hash_has_its_salt() -> None:
    hashed = PasswordHash.of("correct horse battery", cost=QUICK)
    again = PasswordHash.parse(str(hashed))
    assert again.matches("correct horse battery")
    assert not again.matches("correct horse batter")
    assert not again.matches("x" * 2000)
    assert str(PasswordHash.of("correct horse battery", cost=QUICK)) != str(hashed)


@pytest.mark.parametrize("text", ["", "scrypt$1$1$1$!!$!!", "scrypt$99999999$99$1$YQ==$YQ==", "plain"])
def test_what_is_no_hash_or_would_take_gigabytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hash|base64"):
        PasswordHash.parse(text)


def test_every_operator_may_view() -> None:
    assert parse_roles("listen") == {Role.VIEW, Role.LISTEN}
    assert parse_roles("operate + listen") == set(Role)


async def test_operators_are_those_of_the_lines_each_once() -> None:
    hashed = PasswordHash.of("correct horse battery", cost=QUICK)
    operators = PasswordOperators.parse(f"# on call\n\nann:operate:{hashed}\nbob@example.com:view:{hashed}\n")
    assert await operators.sign_in("ann", "correct horse battery") == operators.find("ann")
    assert await operators.sign_in("ann", "wrong") is None
    assert await operators.sign_in("nobody", "correct horse battery") is None
    with pytest.raises(InvalidSetting, match="line 2: an operator of this name"):
        PasswordOperators.parse(f"ann:view:{hashed}\nann:operate:{hashed}")


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "", "javascript:alert(1)", "/a\n/b"]
)
def test_a_sign_in_leads_to_no_other_site(target: str) -> None:
    assert local_path(target) == "/"


def test_a_sign_in_leads_to_the_page_that_was_asked_for() -> None:
    assert local_path("/calls/RM_1?opened=17") == "/calls/RM_1?opened=17"


def test_the_policy_names_the_livekit_server_alone() -> None:
    assert "connect-src 'self' wss://livekit.example.com https://livekit.example.com;" in policy(
        "wss://livekit.example.com"
    )
    assert "ws://127.0.0.1:7880 http://127.0.0.1:7880" in policy("ws://127.0.0.1:7880")
