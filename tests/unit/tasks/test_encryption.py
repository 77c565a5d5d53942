from __future__ import annotations

import os

import pytest
from cryptography.fernet import Fernet

from tasks.encryption import Broken, Seal
from tasks.errors import InvalidSetting
from tasks.settings import Settings

SECRET = "a secret of the LiveKit server"
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_", "REDIS_")):
            monkeypatch.delenv(name)


def seal(keys: str | None = None, *, secret: str = SECRET) -> Seal:
    given = {} if keys is None else {"encryption_keys": keys}
    return Seal(Settings.model_validate({"livekit_api_key": "key", "livekit_api_secret": secret} | given))


@pytest.mark.parametrize(
    "keys", [None, OLD, f"{NEW},{OLD}", f" {NEW} , {OLD} "], ids=["derived", "one", "two", "with blanks"]
)
def test_what_was_sealed_is_opened_by_the_same_keys(keys: str | None) -> None:
    sealed = seal(keys).close("RM_1", "where is my parcel? 📦")
    assert seal(keys).open("RM_1", sealed) == "where is my parcel? 📦"
    assert b"parcel" not in sealed


def test_a_seal_survives_a_redis_client_that_decodes_responses() -> None:
    sealed = seal().close("RM_1", "hello")
    assert sealed.decode("ascii").encode() == sealed


def test_a_new_key_in_front_opens_what_the_old_one_has_sealed() -> None:
    sealed = seal(OLD).close("RM_1", "hello")
    assert seal(f"{NEW},{OLD}").open("RM_1", sealed) == "hello"


def test_the_first_key_seals_so_that_the_old_one_can_go() -> None:
    sealed = seal(f"{NEW},{OLD}").close("RM_1", "hello")
    assert seal(NEW).open("RM_1", sealed) == "hello"
    with pytest.raises(Broken):
        seal(OLD).open("RM_1", sealed)


def test_another_owner_cannot_open_it() -> None:
    sealed = seal().close("RM_1", "hello")
    with pytest.raises(Broken):
        seal().open("RM_2", sealed)


def test_another_key_cannot_open_it() -> None:
    sealed = seal(OLD).close("RM_1", "hello")
    with pytest.raises(Broken):
        seal(OTHER).open("RM_1", sealed)


@pytest.mark.parametrize("content", [b"no JSON", b"7", b"[1, 2, 3]", b"{}"])
def test_what_others_have_encrypted_with_our_key_is_broken(content: bytes) -> None:
    with pytest.raises(Broken):
        seal(OLD).open("RM_1", Fernet(OLD).encrypt(content))


@pytest.mark.parametrize("sealed", [b"", b"no seal", b"\xff"])
def test_what_is_no_seal_is_broken(sealed: bytes) -> None:
    with pytest.raises(Broken):
        seal(OLD).open("RM_1", sealed)


def test_without_a_key_of_its_own_an_installation_has_one_from_its_livekit_secret() -> None:
    sealed = seal().close("RM_1", "hello")
    assert seal().open("RM_1", sealed) == "hello"
    with pytest.raises(Broken):
        seal(secret="another installation's").open("RM_1", sealed)


def test_the_derived_key_is_not_the_secret_itself() -> None:
    # 32 bytes in base64, as a Fernet key is: whoever has only the one must not have the other.
    with pytest.raises(Broken):
        seal(OLD).open("RM_1", seal(secret=OLD).close("RM_1", "hello"))


@pytest.mark.parametrize(
    "keys",
    ["", "short", f"{OLD},", f"{OLD},not-a-key", OLD[:-5]],
    ids=["empty", "too short", "none after the comma", "no base64", "cut off"],
)
def test_a_key_that_is_none_names_the_variable_and_is_not_shown(keys: str) -> None:
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_ENCRYPTION_KEYS") as raised:
        seal(keys)
    assert "base64" in str(raised.value)
    assert OLD[:10] not in str(raised.value)
    assert "not-a-key" not in str(raised.value)
