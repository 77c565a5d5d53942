from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from tasks.encryption import Broken, Seal
from tasks.settings import Settings
from tasks.tenants.key_cipher import KeyRing

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def seal(*keys: str) -> Seal:
    given = {"livekit_api_key": "key", "livekit_api_secret": "secret"}
    return Seal(Settings.model_validate(given | ({"encryption_keys": ",".join(keys)} if keys else {})))


def ring(*keys: str) -> KeyRing:
    return KeyRing(seal(*keys))


def test_a_key_opens_in_its_own_place() -> None:
    sealed = ring().close("acme", "stt", "s3cr3t")
    assert ring().open("acme", "stt", sealed) == "s3cr3t"
    assert "s3cr3t" not in sealed


@pytest.mark.parametrize(
    ("tenant", "slot"),
    [("bolt", "stt"), ("acme", "llm"), ("acme", "stt.fallbacks.0"), ("stt:acme", "stt"), ("", "stt:acme")],
)
def test_a_key_that_was_put_in_another_place_does_not_open(tenant: str, slot: str) -> None:
    sealed = ring().close("acme", "stt", "s3cr3t")
    with pytest.raises(Broken):
        ring().open(tenant, slot, sealed)


def test_a_key_and_a_conversation_do_not_open_in_each_others_place() -> None:
    with pytest.raises(Broken):
        seal().open("RM_1", ring().close("acme", "stt", "s3cr3t").encode())
    with pytest.raises(Broken):
        ring().open("acme", "stt", seal().close("RM_1", "hello").decode())


def test_renewing_leaves_what_the_first_key_has_sealed() -> None:
    old = ring(OLD).close("acme", "stt", "s3cr3t")
    new = ring(NEW, OLD).renewed(old)
    assert new is not None
    assert ring(NEW).open("acme", "stt", new) == "s3cr3t"
    assert ring(NEW, OLD).renewed(new) is None
    with pytest.raises(Broken):
        ring(NEW).renewed(old)


def test_a_fingerprint_tells_keys_apart_and_is_the_same_for_the_same_one() -> None:
    assert ring().reference("acme", "stt", "a") == ring().reference("acme", "stt", "a")
    assert ring().reference("acme", "stt", "a") != ring().reference("acme", "stt", "b")
    assert len(ring().reference("acme", "stt", "a")) == len("sealed:") + 12


def test_a_fingerprint_does_not_tell_that_two_places_have_the_same_key() -> None:
    places = [("acme", "stt"), ("acme", "llm"), ("bolt", "stt")]
    assert len({ring().reference(tenant, slot, "a") for tenant, slot in places}) == len(places)


def test_a_fingerprint_cannot_be_tried_out_without_the_encryption_key() -> None:
    assert ring(OLD).reference("acme", "stt", "1234") != ring(NEW).reference("acme", "stt", "1234")
