from __future__ import annotations

import os

import pytest
from cryptography.fernet import Fernet

from tasks.encryption import DecryptionFailed, Encryption
from tasks.errors import InvalidSetting
from tasks.settings import Settings

SECRET = "a secret of the LiveKit server"
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_", "REDIS_")):
            monkeypatch.delenv(name)


def encryption(keys: str | None = None, *, secret: str = SECRET) -> Encryption:
    given = {} if keys is None else {"SWITCHBOARD_ENCRYPTION_KEYS": keys}
    return Encryption(Settings.read({"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": secret} | given))


@pytest.mark.parametrize(
    "keys", [None, OLD, f"{NEW},{OLD}", f" {NEW} , {OLD} "], ids=["derived", "one", "two", "with blanks"]
)
def test_encrypted_content_is_decrypted_with_the_same_keys(keys: str | None) -> None:
    encrypted = encryption(keys).encrypt("RM_1", "where is my parcel? 📦")
    assert encryption(keys).decrypt("RM_1", encrypted) == "where is my parcel? 📦"
    assert b"parcel" not in encrypted


def test_encrypted_content_survives_a_redis_client_that_decodes_responses() -> None:
    encrypted = encryption().encrypt("RM_1", "hello")
    assert encrypted.decode("ascii").encode() == encrypted


def test_the_old_key_behind_a_new_one_still_decrypts() -> None:
    encrypted = encryption(OLD).encrypt("RM_1", "hello")
    assert encryption(f"{NEW},{OLD}").decrypt("RM_1", encrypted) == "hello"


def test_the_first_key_encrypts_so_that_the_old_one_can_go() -> None:
    encrypted = encryption(f"{NEW},{OLD}").encrypt("RM_1", "hello")
    assert encryption(NEW).decrypt("RM_1", encrypted) == "hello"
    with pytest.raises(DecryptionFailed):
        encryption(OLD).decrypt("RM_1", encrypted)


def test_it_cannot_be_decrypted_for_another_owner() -> None:
    encrypted = encryption().encrypt("RM_1", "hello")
    with pytest.raises(DecryptionFailed):
        encryption().decrypt("RM_2", encrypted)


def test_another_key_cannot_decrypt_it() -> None:
    encrypted = encryption(OLD).encrypt("RM_1", "hello")
    with pytest.raises(DecryptionFailed):
        encryption(OTHER).decrypt("RM_1", encrypted)


@pytest.mark.parametrize("content", [b"no JSON", b"7", b"[1, 2, 3]", b"{}"])
def test_foreign_content_under_our_key_fails_to_decrypt(content: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        encryption(OLD).decrypt("RM_1", Fernet(OLD).encrypt(content))


@pytest.mark.parametrize("encrypted", [b"", b"not encrypted", b"\xff"])
def test_content_that_is_not_encrypted_fails_to_decrypt(encrypted: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        encryption(OLD).decrypt("RM_1", encrypted)


def test_without_a_key_of_its_own_an_installation_has_one_from_its_livekit_secret() -> None:
    encrypted = encryption().encrypt("RM_1", "hello")
    assert encryption().decrypt("RM_1", encrypted) == "hello"
    with pytest.raises(DecryptionFailed):
        encryption(secret="another installation's").decrypt("RM_1", encrypted)


def test_the_derived_key_is_not_the_secret_itself() -> None:
    # The secret has the form of a Fernet key here: the secret alone must not decrypt.
    with pytest.raises(DecryptionFailed):
        encryption(OLD).decrypt("RM_1", encryption(secret=OLD).encrypt("RM_1", "hello"))


@pytest.mark.parametrize(
    "keys",
    ["short", f"{OLD},", f"{OLD},not-a-key", OLD[:-5]],
    ids=["too short", "none after the comma", "no base64", "cut off"],
)
def test_a_key_that_is_none_names_the_variable_and_is_not_shown(keys: str) -> None:
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_ENCRYPTION_KEYS") as raised:
        encryption(keys)
    assert "base64" in str(raised.value)
    assert OLD[:10] not in str(raised.value)
    assert "not-a-key" not in str(raised.value)
