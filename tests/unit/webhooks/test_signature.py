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


def verify(body: bytes, authorization: str | None, keys: Mapping[str, str]) -> float | None:
    signed = signature.authenticate([] if authorization is None else [authorization], keys)
    signed.check(body)
    return signed.at


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
    signed_at = verify(BODY, sign(BODY, "key", SECRET), KEYS)

    assert signed_at == pytest.approx(time.time(), abs=2)


def test_a_token_of_any_of_several_keys_is_accepted_while_keys_rotate() -> None:
    verify(BODY, sign(BODY, "key", SECRET), KEYS)
    verify(BODY, sign(BODY, "old-key", OLD_SECRET), KEYS)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", " Bearer   "])
def test_a_bearer_scheme_in_front_of_the_token_is_tolerated(scheme: str) -> None:
    verify(BODY, scheme + token(), KEYS)


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_token_is_refused(header: str | None) -> None:
    with pytest.raises(TokenMissing):
        verify(BODY, header, KEYS)


def test_a_token_forged_with_a_guessed_secret_is_refused() -> None:
    with pytest.raises(TokenInvalid, match="Signature verification failed"):
        verify(BODY, sign(BODY, "key", "a secret that somebody made up for this"), KEYS)


def test_the_secret_of_one_key_does_not_sign_for_another() -> None:
    with pytest.raises(TokenInvalid, match="Signature verification failed"):
        verify(BODY, sign(BODY, "key", OLD_SECRET), KEYS)


@pytest.mark.parametrize("issuer", ["somebody-else", "", 7, ["key"], {"key": "key"}])
def test_a_key_that_is_not_ours_is_refused(issuer: object) -> None:
    # jwt.encode insists on a string; a forger does not.
    forged = jwt.api_jws.encode(f'{{"iss": {issuer!r}}}'.replace("'", '"').encode(), SECRET, algorithm="HS256")

    with pytest.raises(KeyUnknown):
        verify(BODY, forged, KEYS)


def test_a_token_without_an_issuer_is_refused() -> None:
    with pytest.raises(KeyUnknown):
        verify(BODY, token(without="iss"), KEYS)


def test_a_key_with_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(KeyUnknown):
        verify(BODY, sign(BODY, "key", SECRET), {"key": ""})


def test_an_expired_token_is_refused() -> None:
    with pytest.raises(TokenOutOfTime):
        verify(BODY, sign(BODY, "key", SECRET, expires_in_s=-signature.LEEWAY_SECONDS - 2), KEYS)


def test_clocks_that_differ_by_less_than_the_leeway_do_not_matter() -> None:
    verify(BODY, sign(BODY, "key", SECRET, expires_in_s=-signature.LEEWAY_SECONDS / 2), KEYS)
    verify(BODY, token({"nbf": time.time() + signature.LEEWAY_SECONDS / 2}), KEYS)


def test_a_token_from_the_future_is_refused() -> None:
    with pytest.raises(TokenOutOfTime):
        verify(BODY, token({"nbf": time.time() + signature.LEEWAY_SECONDS + 10}), KEYS)


def test_a_token_that_never_expires_is_refused() -> None:
    with pytest.raises(TokenInvalid, match='"exp"'):
        verify(BODY, token(without="exp"), KEYS)


def test_an_unsigned_token_is_refused() -> None:
    with pytest.raises(TokenInvalid, match="alg"):
        verify(BODY, token(algorithm="none"), KEYS)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_than_livekits_is_refused(algorithm: str) -> None:
    long_enough = SECRET * 2

    with pytest.raises(TokenInvalid, match="alg"):
        verify(BODY, token(secret=long_enough, algorithm=algorithm), {"key": long_enough})


def test_a_token_with_its_signature_cut_off_is_refused() -> None:
    head, claims, _ = token().split(".")

    with pytest.raises(TokenInvalid):
        verify(BODY, f"{head}.{claims}.", KEYS)


def test_a_token_replayed_with_another_body_is_refused() -> None:
    with pytest.raises(BodyMismatch):
        verify(BODY + b" ", sign(BODY, "key", SECRET), KEYS)


@pytest.mark.parametrize("claim", ["", "é" * 44, checksum(BODY).rstrip("=") + "é", checksum(BODY).lower()])
def test_a_checksum_that_is_not_the_bodys_is_refused(claim: str) -> None:
    with pytest.raises(BodyMismatch):
        verify(BODY, token({"sha256": claim}), KEYS)


@pytest.mark.parametrize("claim", [None, 7, ["x"]])
def test_a_participants_token_without_a_checksum_is_refused(claim: object) -> None:
    with pytest.raises(TokenInvalid, match="sha256"):
        verify(BODY, token({"sha256": claim}), KEYS)


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
        verify(BODY, header, KEYS)

    assert refused.value.status == 401


def test_no_message_shows_a_token_or_a_secret() -> None:
    forged = sign(BODY, "key", OLD_SECRET)

    with pytest.raises(Rejection) as refused:
        verify(BODY, forged, KEYS)

    for secret in (SECRET, OLD_SECRET, *forged.split(".")):
        assert secret not in str(refused.value)


def test_of_two_headers_neither_counts() -> None:
    with pytest.raises(TokenInvalid, match="several Authorization headers"):
        signature.authenticate([token(), token()], KEYS)


@pytest.mark.parametrize(
    "claims", [b"[" * 60_000, b'{"a":' * 20_000, b'{"iss":"\xff"}', b'{"iss":' + b"9" * 6000 + b"}"]
)
def test_a_token_of_any_content_is_refused_and_raises_nothing_else(claims: bytes) -> None:
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"HS256"}', claims, b"x" * 32))
    with pytest.raises(Rejection):
        signature.authenticate([".".join(parts)], KEYS)


def test_a_stranger_is_refused_before_the_body_is_read() -> None:
    with pytest.raises(KeyUnknown):
        signature.authenticate([sign(BODY, "nobody", SECRET)], KEYS)
