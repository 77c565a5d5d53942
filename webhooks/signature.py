"""Verification that a webhook was sent by a LiveKit server that has one of our API keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import jwt

from webhooks.errors import BodyMismatch, KeyUnknown, TokenInvalid, TokenMissing, TokenOutOfTime

LEEWAY_SECONDS = 10
"""Tolerated difference between the clocks of LiveKit's host and ours. The tokens are valid for 300 s."""


def verify(body: bytes, authorization: str | None, keys: Mapping[str, str]) -> float | None:
    """Verify the token in the `authorization` header against the body.

    `keys` maps each accepted API key to its secret. Returns the time of signing in unix seconds, or None if the token
    does not have it.

    Raises TokenMissing, TokenInvalid, KeyUnknown, TokenOutOfTime and BodyMismatch.
    """
    token = _token(authorization)
    claims = _claims(token, _secret(token, keys))
    _compare(body, claims.get("sha256"))
    signed_at = claims.get("nbf", claims.get("iat"))
    return None if signed_at is None else float(signed_at)


def issuer(authorization: str | None) -> str | None:
    """Return the API key that a token names, for the log alone: nothing of the token is verified."""
    try:
        claimed = jwt.decode(_token(authorization), options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, TokenMissing):
        return None
    return claimed if isinstance(claimed, str) else None


def _token(authorization: str | None) -> str:
    # LiveKit sends the bare token; some gateways put the scheme in front of it.
    scheme, space, credentials = (authorization or "").strip().partition(" ")
    token = credentials.strip() if space and scheme.lower() == "bearer" else (authorization or "").strip()
    if not token:
        raise TokenMissing
    return token


def _secret(token: str, keys: Mapping[str, str]) -> str:
    # Not verified yet: used only to choose the secret that verifies it.
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.PyJWTError as error:
        raise TokenInvalid(problem=error) from error
    secret = keys.get(issuer) if isinstance(issuer, str) else None
    if not secret:
        raise KeyUnknown
    return secret


def _claims(token: str, secret: str) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss"]},
        )
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
        raise TokenOutOfTime(problem=error) from error
    except jwt.PyJWTError as error:
        raise TokenInvalid(problem=error) from error


def _compare(body: bytes, claimed: object) -> None:
    if not isinstance(claimed, str):
        raise TokenInvalid(problem="it has no sha256 claim, so it is not a webhook's")
    actual = base64.b64encode(hashlib.sha256(body).digest())
    if not hmac.compare_digest(claimed.encode(), actual):
        raise BodyMismatch
