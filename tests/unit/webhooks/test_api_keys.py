from __future__ import annotations

import hashlib

import pytest

from tasks.errors import InvalidSetting
from webhooks.api_keys import ApiKeys


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def allowed(keys: ApiKeys, key: str, *tenants: str) -> list[bool] | None:
    api_key = keys.find(key)
    return None if api_key is None else [api_key.allows(tenant) for tenant in tenants]


def test_a_key_is_for_the_tenants_of_its_entry() -> None:
    keys = ApiKeys.parse(f"acme={hashed('a')}, acme|bolt = {hashed('b')} ,*={hashed('c')}")

    assert allowed(keys, "a", "acme", "bolt", "coral") == [True, False, False]
    assert allowed(keys, "b", "acme", "bolt", "coral") == [True, True, False]
    assert allowed(keys, "c", "acme", "bolt", "coral") == [True, True, True]
    assert allowed(keys, "d", "acme") is None


def test_a_tenant_may_have_two_keys_during_a_rotation() -> None:
    keys = ApiKeys.parse(f"acme={hashed('old')},acme={hashed('new')}")

    assert allowed(keys, "old", "acme") == allowed(keys, "new", "acme") == [True]


def test_the_hash_itself_is_no_key() -> None:
    keys = ApiKeys.parse(f"acme={hashed('a')}")

    assert keys.find(hashed("a")) is None
    assert keys.find(hashed("a").removeprefix("sha256:")) is None


def test_without_keys_no_key_is_valid() -> None:
    assert not ApiKeys.parse("")
    assert ApiKeys.parse("").find("") is None


@pytest.mark.parametrize("setting", ["acme=a-key", "acme=sha256:abc", "=" + hashed("a"), hashed("a"), "acme"])
def test_a_setting_that_holds_no_hash_is_not_shown(setting: str) -> None:
    with pytest.raises(InvalidSetting, match=r"SWITCHBOARD_API_KEYS = '\*\*\*' is not usable: write it as") as caught:
        ApiKeys.parse(setting)
    assert "a-key" not in str(caught.value)


def test_a_key_does_not_show_its_hash() -> None:
    assert "sha256" not in repr(ApiKeys.parse(f"acme={hashed('a')}").find("a"))
