"""Plans and rotations, from the tenants in Redis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ops.commands.tenants.declaration import Declared, FileInvalidError
from ops.commands.tenants.plan import Plan, Planner, WrongEncryptionKeyError
from ops.commands.tenants.rotation import Rotation
from pipeline.options import Secret
from tasks.encryption import Encryption
from tasks.settings import Settings
from tasks.tenants import Tenant
from tasks.tenants.admin import StoredTenant
from tasks.tenants.key_cipher import ProviderKeyCipher

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
KEYED = {"provider": "openai", "key": "env:KEY"}


def cipher(*keys: str) -> ProviderKeyCipher:
    given = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret", "SWITCHBOARD_ENCRYPTION_KEYS": ",".join(keys)}
    return ProviderKeyCipher(Encryption(Settings.read(given)))


def declared(keys: dict[str, str] | None = None, **table: Any) -> Declared:
    tenant = Tenant.model_validate({"id": "acme", "tier": "free", **table})
    return Declared(tenant, {path: Secret(value) for path, value in (keys or {}).items()})


def plan(
    tenant: Declared, before: dict[str, StoredTenant], *keys: str, prune: bool = False, reencrypt: bool = False
) -> Plan:
    return Planner({"acme": tenant}, cipher(*(keys or (OLD,))), prune=prune, reencrypt=reencrypt).plan(before)


def after(tenant: Declared, *keys: str) -> dict[str, StoredTenant]:
    """Return the tenants in an empty Redis after this was applied, by way of JSON."""
    return {
        name: StoredTenant(json.loads(json.dumps(entry.record)), entry.encrypted_keys)
        for name, entry in plan(tenant, {}, *keys).put.items()
    }


def test_entries_that_are_left_out_are_not_stored_and_keep_the_current_default() -> None:
    entry = after(declared({"llm": "s3cr3t"}, numbers=["+15551234567"], llm=KEYED | {"top_p": 0.5}))["acme"]
    reference = entry.record["llm"]["key"]
    assert entry.record == {
        "tier": "free",
        "numbers": ["+15551234567"],
        "llm": {"provider": "openai", "key": reference, "top_p": 0.5},
    }
    assert entry.numbers == ["+15551234567"]
    assert "s3cr3t" not in str(entry)


def test_the_same_once_more_changes_nothing() -> None:
    tenant = declared(
        {"llm": "a", "llm.fallbacks.0": "b"}, llm=KEYED | {"fallbacks": [KEYED]}, turn={"detection": "vad"}
    )
    again = plan(tenant, after(tenant))
    assert (again.put, again.removed, list(again.lines())) == ({}, frozenset(), ["nothing to change"])


def test_a_key_encrypted_with_the_old_encryption_key_has_not_changed() -> None:
    tenant = declared({"llm": "a"}, llm=KEYED)
    assert plan(tenant, after(tenant, OLD), NEW, OLD).put == {}


def test_each_changed_entry_has_a_line_and_a_key_is_printed_as_its_fingerprint() -> None:
    before = after(declared({"llm": "s3cr3t-1"}, llm=KEYED, greeting="Hello", agent="a:b"))
    changed = plan(declared({"llm": "s3cr3t-2"}, llm=KEYED, greeting="Hi", max_calls=3), before)
    old, new = (entries["acme"].record["llm"]["key"].removeprefix("encrypted:") for entries in (before, changed.put))
    assert old != new
    assert list(changed.lines()) == [
        "~ acme",
        '    agent: "a:b" -> (none)',
        '    greeting: "Hello" -> "Hi"',
        f"    llm.key: {old} -> {new}",
        "    max_calls: (none) -> 3",
        "0 added, 1 changed, 0 removed, 0 unchanged",
    ]


def test_two_long_texts_are_printed_from_their_first_difference() -> None:
    text = "You are the receptionist of Acme. Answer in one or two sentences, and always "
    before = after(declared(instructions=f"{text}politely."))
    (_, line, _) = plan(declared(instructions=f"{text}briefly. {text}"), before).lines()
    assert line.startswith('    instructions: …es, and always politely." -> …es, and always briefly. You are')
    assert line.endswith("…")


@pytest.mark.parametrize("prune", [False, True])
def test_undeclared_tenants_stay_unless_pruned(*, prune: bool) -> None:
    others = {"bolt": StoredTenant({"tier": "free"}), "coral": StoredTenant({"tier": "free"})}
    changes = plan(declared(), others, prune=prune)
    assert (changes.removed, changes.kept) == ((frozenset(others), ()) if prune else (frozenset(), ("bolt", "coral")))
    left = "in Redis, not in the file, and left alone (--prune removes them): bolt, coral"
    assert list(changes.lines()) == [
        "+ acme",
        '    tier: "free"',
        *(["- bolt", "- coral"] if prune else [left]),
        f"1 added, 0 changed, {2 if prune else 0} removed, 0 unchanged",
    ]


def test_a_number_of_a_tenant_that_stays_is_not_taken_from_it_and_that_of_one_that_goes_is_free() -> None:
    others = {"bolt": StoredTenant({"tier": "free", "numbers": ["+15551234567"]})}
    tenant = declared(numbers=["+15551234567"])
    with pytest.raises(
        FileInvalidError, match=r"\[tenants\.acme\] numbers: \+15551234567 is a number of bolt, which is"
    ):
        plan(tenant, others)
    assert plan(tenant, others, prune=True).put["acme"].numbers == ["+15551234567"]


def test_a_key_of_another_encryption_key_is_an_error_unless_reencrypted() -> None:
    tenant = declared({"llm": "a"}, llm=KEYED)
    before = after(tenant, OLD)
    with pytest.raises(
        WrongEncryptionKeyError, match=r"^\[tenants\.acme\.llm\] key: the one in Redis was encrypted with an enc"
    ):
        plan(tenant, before, NEW)
    reencrypted = plan(tenant, before, NEW, reencrypt=True).put["acme"]
    assert cipher(NEW).decrypt("acme", "llm", reencrypted.encrypted_keys["llm"]) == "a"


def test_a_removed_key_is_removed_from_the_record_and_the_keys() -> None:
    before = after(declared({"llm": "a"}, llm=KEYED))
    entry = plan(declared(llm={"provider": "openai", "base_url": "http://127.0.0.1:1"}), before).put["acme"]
    assert (entry.encrypted_keys, "key" in entry.record["llm"]) == ({}, False)


def test_a_reference_to_a_vault_is_written_as_it_is() -> None:
    entry = after(declared(llm=KEYED | {"key": "vault:acme/openai#key"}))["acme"]
    assert (entry.record["llm"]["key"], entry.encrypted_keys) == ("vault:acme/openai#key", {})


def test_a_rotation_reencrypts_the_old_keys_and_changes_no_fingerprint() -> None:
    old, new = (after(declared({"stt": "a", "llm": "b"}, stt=KEYED, llm=KEYED), key)["acme"] for key in (OLD, NEW))
    rotation = Rotation.of(cipher(NEW, OLD), {"old": old, "new": new, "none": StoredTenant({"tier": "free"})})
    assert (rotation.reencrypted, rotation.unchanged, rotation.failed) == (2, 2, ())
    assert set(rotation.put) == {"old"}
    assert rotation.put["old"].record == old.record
    # They were encrypted for acme, which "old" stands for.
    assert [
        cipher(NEW).decrypt("acme", path, encrypted) for path, encrypted in rotation.put["old"].encrypted_keys.items()
    ] == ["a", "b"]


def test_a_rotation_leaves_and_names_the_keys_it_cannot_decrypt() -> None:
    old = after(declared({"stt": "a"}, stt=KEYED), OLD)
    rotation = Rotation.of(cipher(NEW), old)
    assert (rotation.reencrypted, rotation.unchanged, rotation.put) == (0, 0, {})
    assert str(*rotation.failed).startswith("[tenants.acme.stt] key: it cannot be decrypted with these encryption keys")
