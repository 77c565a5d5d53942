from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from tasks.encryption import DecryptionFailed, Encryption
from tasks.settings import Settings
from tasks.tenants.key_cipher import ProviderKeyCipher

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def encryption(*keys: str) -> Encryption:
    given = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret"}
    return Encryption(Settings.read(given | ({"SWITCHBOARD_ENCRYPTION_KEYS": ",".join(keys)} if keys else {})))


def cipher(*keys: str) -> ProviderKeyCipher:
    return ProviderKeyCipher(encryption(*keys))


def test_a_key_is_decrypted_for_its_own_tenant_and_path() -> None:
    encrypted = cipher().encrypt("acme", "stt", "s3cr3t")
    assert cipher().decrypt("acme", "stt", encrypted) == "s3cr3t"
    assert "s3cr3t" not in encrypted


@pytest.mark.parametrize(
    ("tenant", "path"),
    [("bolt", "stt"), ("acme", "llm"), ("acme", "stt.fallbacks.0"), ("stt:acme", "stt"), ("", "stt:acme")],
)
def test_a_key_is_not_decrypted_for_another_tenant_or_path(tenant: str, path: str) -> None:
    encrypted = cipher().encrypt("acme", "stt", "s3cr3t")
    with pytest.raises(DecryptionFailed):
        cipher().decrypt(tenant, path, encrypted)


def test_a_key_and_a_conversation_are_not_decrypted_as_each_other() -> None:
    with pytest.raises(DecryptionFailed):
        encryption().decrypt("RM_1", cipher().encrypt("acme", "stt", "s3cr3t").encode())
    with pytest.raises(DecryptionFailed):
        cipher().decrypt("acme", "stt", encryption().encrypt("RM_1", "hello").decode())


def test_reencryption_leaves_content_of_the_first_key() -> None:
    old = cipher(OLD).encrypt("acme", "stt", "s3cr3t")
    new = cipher(NEW, OLD).reencrypt(old)
    assert new is not None
    assert cipher(NEW).decrypt("acme", "stt", new) == "s3cr3t"
    assert cipher(NEW, OLD).reencrypt(new) is None
    with pytest.raises(DecryptionFailed):
        cipher(NEW).reencrypt(old)


def test_a_fingerprint_identifies_a_key() -> None:
    assert cipher().reference("acme", "stt", "a") == cipher().reference("acme", "stt", "a")
    assert cipher().reference("acme", "stt", "a") != cipher().reference("acme", "stt", "b")
    assert len(cipher().reference("acme", "stt", "a")) == len("encrypted:") + 12


def test_the_same_key_has_another_fingerprint_at_each_path() -> None:
    owners = [("acme", "stt"), ("acme", "llm"), ("bolt", "stt")]
    assert len({cipher().reference(tenant, path, "a") for tenant, path in owners}) == len(owners)


def test_a_fingerprint_cannot_be_tried_out_without_the_encryption_key() -> None:
    assert cipher(OLD).reference("acme", "stt", "1234") != cipher(NEW).reference("acme", "stt", "1234")
