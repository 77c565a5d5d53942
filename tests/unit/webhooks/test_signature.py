from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping

import jwt
import pytest

from tests.support.signed_webhook import sign
from webhooks import signature
from webhooks.errors import BodyMismatch, KeyUnknown, Rejection, TokenInvalid, TokenMissing, TokenOutOfTime

BODY = b'{"event":"room_started"}'
SECRET = "the secret of the key in use, 32 bytes or more"
OLD_SECRET = "the secret of the key before it, also long enough"
KEYS = {"key": SECRET, "old-key": OLD_SECRET}


def token(
    changes: Mapping[str, object] = {},
    *,
    secret: str = SECRET,
    algorithm: str = "HS256",
    without: str | None = None,
) -> str:
    now = int(time.time())
    claims: dict[str, object] = {"iss": "key", "nbf": now, "exp": now + 300, "sha256": checksum(BODY), **changes}
    claims.pop(without or "", None)
    return jwt.encode(claims, secret if algorithm != "none" else "", algorithm=algorithm)


def checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_a_body_with_its_own_token_is_accepted_and_says_when_it_was_signed() -> None:
    signed_at = signature.verify(BODY, sign(BODY, "key", SECRET), KEYS)

    assert signed_at == pytest.approx(time.time(), abs=2)


def test_a_token_of_any_of_several_keys_is_accepted_while_keys_rotate() -> None:
    signature.verify(BODY, sign(BODY, "key", SECRET), KEYS)
    signature.verify(BODY, sign(BODY, "old-key", OLD_SECRET), KEYS)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", " Bearer   "])
def test_a_bearer_scheme_in_front_of_the_token_is_tolerated(scheme: str) -> None:
    signature.verify(BODY, scheme + token(), KEYS)


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_token_is_refused(header: str | None) -> None:
    with pytest.raises(TokenMissing):
        signature.verify(BODY, header, KEYS)


def test_a_token_forged_with_a_guessed_secret_is_refused() -> None:
    with pytest.raises(TokenInvalid, match="Signature verification failed"):
        signature.verify(BODY, sign(BODY, "key", "a secret that somebody made up for this"), KEYS)


def test_the_secret_of_one_key_does_not_sign_for_another() -> None:
    with pytest.raises(TokenInvalid, match="Signature verification failed"):
        signature.verify(BODY, sign(BODY, "key", OLD_SECRET), KEYS)


@pytest.mark.parametrize("issuer", ["somebody-else", "", 7, ["key"], {"key": "key"}])
def test_a_key_that_is_not_ours_is_refused(issuer: object) -> None:
    # jwt.encode insists on a string; a forger does not.
    forged = jwt.api_jws.encode(f'{{"iss": {issuer!r}}}'.replace("'", '"').encode(), SECRET, algorithm="HS256")

    with pytest.raises(KeyUnknown):
        signature.verify(BODY, forged, KEYS)


def test_a_token_without_an_issuer_is_refused() -> None:
    with pytest.raises(KeyUnknown):
        signature.verify(BODY, token(without="iss"), KEYS)


def test_a_key_with_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(KeyUnknown):
        signature.verify(BODY, sign(BODY, "key", SECRET), {"key": ""})


def test_an_expired_token_is_refused() -> None:
    with pytest.raises(TokenOutOfTime):
        signature.verify(BODY, sign(BODY, "key", SECRET, expires_in_s=-signature.LEEWAY_SECONDS - 2), KEYS)


def test_clocks_that_differ_by_less_than_the_leeway_do_not_matter() -> None:
    signature.verify(BODY, sign(BODY, "key", SECRET, expires_in_s=-signature.LEEWAY_SECONDS / 2), KEYS)
    signature.verify(BODY, token({"nbf": time.time() + signature.LEEWAY_SECONDS / 2}), KEYS)


def test_a_token_from_the_future_is_refused() -> None:
    with pytest.raises(TokenOutOfTime):
        signature.verify(BODY, token({"nbf": time.time() + signature.LEEWAY_SECONDS + 10}), KEYS)


def test_a_token_that_never_expires_is_refused() -> None:
    with pytest.raises(TokenInvalid, match='"exp"'):
        signature.verify(BODY, token(without="exp"), KEYS)


def test_an_unsigned_token_is_refused() -> None:
    with pytest.raises(TokenInvalid, match="alg"):
        signature.verify(BODY, token(algorithm="none"), KEYS)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_than_livekits_is_refused(algorithm: str) -> None:
    long_enough = SECRET * 2

    with pytest.raises(TokenInvalid, match="alg"):
        signature.verify(BODY, token(secret=long_enough, algorithm=algorithm), {"key": long_enough})


def test_a_token_with_its_signature_cut_off_is_refused() -> None:
    head, claims, _ = token().split(".")

    with pytest.raises(TokenInvalid):
        signature.verify(BODY, f"{head}.{claims}.", KEYS)


def test_a_token_replayed_with_another_body_is_refused() -> None:
    with pytest.raises(BodyMismatch):
        signature.verify(BODY + b" ", sign(BODY, "key", SECRET), KEYS)


@pytest.mark.parametrize("claim", ["", "é" * 44, checksum(BODY).rstrip("=") + "é", checksum(BODY).lower()])
def test_a_checksum_that_is_not_the_bodys_is_refused(claim: str) -> None:
    with pytest.raises(BodyMismatch):
        signature.verify(BODY, token({"sha256": claim}), KEYS)


@pytest.mark.parametrize("claim", [None, 7, ["x"]])
def test_a_participants_token_without_a_checksum_is_refused(claim: object) -> None:
    with pytest.raises(TokenInvalid, match="sha256"):
        signature.verify(BODY, token({"sha256": claim}), KEYS)


@pytest.mark.parametrize(
    "header",
    [
        "x",
        "a.b.c",
        "..",
        "Basic dXNlcjpwYXNz",
        "Bearer Bearer x",
        "é.é.é",
        "\xff.a.b",
        "Bearer ",
        "eyJhbGciOiJIUzI1NiJ9.W10.",
        "eyJhbGciOlsiSFMyNTYiXX0.e30.",
        "eyJhbGciOiJIUzI1NiJ9." + base64.urlsafe_b64encode(b"[" * 40_000).decode().rstrip("=") + ".",
    ],
)
def test_a_header_that_is_no_token_is_refused(header: str) -> None:
    with pytest.raises(Rejection) as refused:
        signature.verify(BODY, header, KEYS)

    assert refused.value.status == 401


def test_no_message_shows_a_token_or_a_secret() -> None:
    forged = sign(BODY, "key", OLD_SECRET)

    with pytest.raises(Rejection) as refused:
        signature.verify(BODY, forged, KEYS)

    for secret in (SECRET, OLD_SECRET, *forged.split(".")):
        assert secret not in str(refused.value)
