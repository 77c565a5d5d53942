from __future__ import annotations

import hashlib

import pytest

from tasks.errors import InvalidSetting
from tasks.tenants.api_keys import ApiKey, ConfiguredKeys, Scope, id_of, new_key


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def allowed(keys: ConfiguredKeys, key: str, *tenants: str) -> list[bool] | None:
    api_key = keys.find(key)
    return None if api_key is None else [api_key.allows(tenant) for tenant in tenants]


def test_a_key_is_for_the_tenants_of_its_entry() -> None:
    keys = ConfiguredKeys.parse(f"acme={hashed('a')}, acme|bolt = {hashed('b')} ,*={hashed('c')}")

    assert allowed(keys, "a", "acme", "bolt", "coral") == [True, False, False]
    assert allowed(keys, "b", "acme", "bolt", "coral") == [True, True, False]
    assert allowed(keys, "c", "acme", "bolt", "coral") == [True, True, True]
    assert allowed(keys, "d", "acme") is None


def test_a_tenant_may_have_two_keys_during_a_rotation() -> None:
    keys = ConfiguredKeys.parse(f"acme={hashed('old')},acme={hashed('new')}")

    assert allowed(keys, "old", "acme") == allowed(keys, "new", "acme") == [True]


def test_the_hash_itself_is_no_key() -> None:
    keys = ConfiguredKeys.parse(f"acme={hashed('a')}")

    assert keys.find(hashed("a")) is None
    assert keys.find(hashed("a").removeprefix("sha256:")) is None


def test_without_keys_no_key_is_valid() -> None:
    assert ConfiguredKeys.parse("").find("") is None


@pytest.mark.parametrize("setting", ["acme=a-key", "acme=sha256:abc", "=" + hashed("a"), hashed("a"), "acme"])
def test_a_setting_that_holds_no_hash_is_not_shown(setting: str) -> None:
    with pytest.raises(InvalidSetting, match=r"SWITCHBOARD_API_KEYS = '\*\*\*' is not usable: write it as") as caught:
        ConfiguredKeys.parse(setting)
    assert "a-key" not in str(caught.value)


def test_a_key_does_not_show_its_hash() -> None:
    assert "sha256" not in repr(ConfiguredKeys.parse(f"acme={hashed('a')}").find("a"))


def test_a_key_of_the_setting_creates_calls_alone() -> None:
    key = ConfiguredKeys.parse(f"*={hashed('a')}").find("a")
    assert key is not None
    assert key.scopes == {Scope.CALLS_CREATE}
    assert not key.is_expired(1e12)


def test_the_record_of_a_key_is_read_as_it_was_written() -> None:
    key = ApiKey("0123456789abcdef", hashed("a")[7:], frozenset({"acme"}), frozenset({Scope.USAGE_READ}), "büro", 1, 2)
    assert ApiKey.from_json(key.id, key.to_json()) == key


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": "a"}', "7", "[" * 100_000])
def test_a_record_that_is_not_readable_is_nobodys_key(content: str) -> None:
    assert ApiKey.from_json("0123456789abcdef", content) is None


def test_a_scope_of_a_newer_version_gives_no_right() -> None:
    content = '{"sha256": "a", "tenants": ["acme"], "scopes": ["calls:fly", "calls:read"], "expires_at": null}'
    key = ApiKey.from_json("0123456789abcdef", content)
    assert key is not None
    assert key.scopes == {Scope.CALLS_READ}


def test_a_new_key_names_its_id_and_no_other_text_does() -> None:
    key_id, key = new_key()
    assert id_of(key) == key_id
    assert [id_of(text) for text in (key[:-1], f"{key}0", key.upper(), key_id, "", f"{key}\n")] == [None] * 6
