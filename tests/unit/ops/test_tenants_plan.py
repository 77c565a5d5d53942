"""What a file would change, from what Redis has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ops.commands.tenants.declaration import Declared, FileInvalidError
from ops.commands.tenants.plan import Plan, Planner, SealedByOthersError
from ops.commands.tenants.rotation import Rotation
from pipeline.options import Secret
from tasks.encryption import Seal
from tasks.settings import Settings
from tasks.tenants import Tenant
from tasks.tenants.admin import Entry
from tasks.tenants.key_cipher import KeyRing

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
KEYED = {"provider": "openai", "key": "env:KEY"}


def ring(*keys: str) -> KeyRing:
    given = {"livekit_api_key": "key", "livekit_api_secret": "secret", "encryption_keys": ",".join(keys)}
    return KeyRing(Seal(Settings.model_validate(given)))


def declared(keys: dict[str, str] | None = None, **table: Any) -> Declared:
    tenant = Tenant.model_validate({"id": "acme", "tier": "free", **table})
    return Declared(tenant, {slot: Secret(value) for slot, value in (keys or {}).items()})


def plan(tenant: Declared, before: dict[str, Entry], *keys: str, prune: bool = False, reseal: bool = False) -> Plan:
    return Planner({"acme": tenant}, ring(*(keys or (OLD,))), prune=prune, reseal=reseal).plan(before)


def after(tenant: Declared, *keys: str) -> dict[str, Entry]:
    """What Redis has when this was applied to an empty one, by way of JSON."""
    return {
        name: Entry(json.loads(json.dumps(entry.record)), entry.sealed)
        for name, entry in plan(tenant, {}, *keys).put.items()
    }


def test_what_is_left_out_is_not_written_so_that_it_has_the_default_of_the_day() -> None:
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


def test_a_key_that_was_sealed_with_the_old_encryption_key_has_not_changed() -> None:
    tenant = declared({"llm": "a"}, llm=KEYED)
    assert plan(tenant, after(tenant, OLD), NEW, OLD).put == {}


def test_each_entry_that_changes_has_a_line_and_a_key_is_shown_as_its_fingerprint() -> None:
    before = after(declared({"llm": "s3cr3t-1"}, llm=KEYED, greeting="Hello", agent="a:b"))
    changed = plan(declared({"llm": "s3cr3t-2"}, llm=KEYED, greeting="Hi", max_calls=3), before)
    old, new = (entries["acme"].record["llm"]["key"].removeprefix("sealed:") for entries in (before, changed.put))
    assert old != new
    assert list(changed.lines()) == [
        "~ acme",
        '    agent: "a:b" -> (none)',
        '    greeting: "Hello" -> "Hi"',
        f"    llm.key: {old} -> {new}",
        "    max_calls: (none) -> 3",
        "0 added, 1 changed, 0 removed, 0 unchanged",
    ]


def test_of_two_long_texts_is_shown_where_they_begin_to_differ() -> None:
    text = "You are the receptionist of Acme. Answer in one or two sentences, and always "
    before = after(declared(instructions=f"{text}politely."))
    (_, line, _) = plan(declared(instructions=f"{text}briefly. {text}"), before).lines()
    assert line.startswith('    instructions: …es, and always politely." -> …es, and always briefly. You are')
    assert line.endswith("…")


@pytest.mark.parametrize("prune", [False, True])
def test_what_the_file_does_not_declare_stays_unless_pruned(*, prune: bool) -> None:
    others = {"bolt": Entry({"tier": "free"}), "coral": Entry({"tier": "free"})}
    found = plan(declared(), others, prune=prune)
    assert (found.removed, found.kept) == ((frozenset(others), ()) if prune else (frozenset(), ("bolt", "coral")))
    left = "in Redis, not in the file, and left alone (--prune removes them): bolt, coral"
    assert list(found.lines()) == [
        "+ acme",
        '    tier: "free"',
        *(["- bolt", "- coral"] if prune else [left]),
        f"1 added, 0 changed, {2 if prune else 0} removed, 0 unchanged",
    ]


def test_a_number_of_a_tenant_that_stays_is_not_taken_from_it_and_that_of_one_that_goes_is_free() -> None:
    others = {"bolt": Entry({"tier": "free", "numbers": ["+15551234567"]})}
    tenant = declared(numbers=["+15551234567"])
    with pytest.raises(
        FileInvalidError, match=r"\[tenants\.acme\] numbers: \+15551234567 is a number of bolt, which is"
    ):
        plan(tenant, others)
    assert plan(tenant, others, prune=True).put["acme"].numbers == ["+15551234567"]


def test_what_others_have_sealed_is_a_reason_to_stop_unless_it_is_to_be_sealed_again() -> None:
    tenant = declared({"llm": "a"}, llm=KEYED)
    before = after(tenant, OLD)
    with pytest.raises(
        SealedByOthersError, match=r"^\[tenants\.acme\.llm\] key: the one in Redis was sealed with an enc"
    ):
        plan(tenant, before, NEW)
    resealed = plan(tenant, before, NEW, reseal=True).put["acme"]
    assert ring(NEW).open("acme", "llm", resealed.sealed["llm"]) == "a"


def test_a_key_that_is_no_more_is_gone_from_both_places() -> None:
    before = after(declared({"llm": "a"}, llm=KEYED))
    entry = plan(declared(llm={"provider": "openai", "base_url": "http://127.0.0.1:1"}), before).put["acme"]
    assert (entry.sealed, "key" in entry.record["llm"]) == ({}, False)


def test_a_reference_to_a_vault_is_written_as_it_is() -> None:
    entry = after(declared(llm=KEYED | {"key": "vault:acme/openai#key"}))["acme"]
    assert (entry.record["llm"]["key"], entry.sealed) == ("vault:acme/openai#key", {})


def test_a_rotation_changes_what_the_old_key_has_sealed_and_no_fingerprint() -> None:
    old, new = (after(declared({"stt": "a", "llm": "b"}, stt=KEYED, llm=KEYED), key)["acme"] for key in (OLD, NEW))
    rotation = Rotation.of(ring(NEW, OLD), {"old": old, "new": new, "none": Entry({"tier": "free"})})
    assert (rotation.renewed, rotation.already, rotation.broken) == (2, 2, ())
    assert set(rotation.put) == {"old"}
    assert rotation.put["old"].record == old.record
    # They were sealed for acme, which "old" stands for.
    assert [ring(NEW).open("acme", slot, sealed) for slot, sealed in rotation.put["old"].sealed.items()] == ["a", "b"]


def test_a_rotation_leaves_what_it_cannot_open_and_names_it() -> None:
    old = after(declared({"stt": "a"}, stt=KEYED), OLD)
    rotation = Rotation.of(ring(NEW), old)
    assert (rotation.renewed, rotation.already, rotation.put) == (0, 0, {})
    assert str(*rotation.broken).startswith("[tenants.acme.stt] key: it cannot be opened with these encryption keys")
