"""Verification that a webhook was sent by a LiveKit server that has one of our API keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from webhooks.errors import BodyMismatch, KeyUnknown, TokenInvalid, TokenMissing, TokenOutOfTime

LEEWAY_SECONDS = 10
"""Tolerated difference between the clocks of LiveKit's host and ours. The tokens are valid for 300 s."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The claims of a token that a LiveKit server has signed.

    `sha256`: of the body, in base64. `at`: the time of signing in unix seconds, or None if the token does not have it.
    """

    sha256: str
    at: float | None

    def check(self, body: bytes) -> None:
        """Raise BodyMismatch unless the token was signed for this body."""
        actual = base64.b64encode(hashlib.sha256(body).digest())
        if not hmac.compare_digest(self.sha256.encode(errors="replace"), actual):
            raise BodyMismatch


def authenticate(authorization: Sequence[str], keys: Mapping[str, str]) -> Signature:
    """Verify the token in the `Authorization` header, of which there has to be one. The body is not needed yet.

    `keys` maps each accepted API key to its secret.

    Raises TokenMissing, TokenInvalid, KeyUnknown and TokenOutOfTime.
    """
    if len(authorization) > 1:
        raise TokenInvalid(problem="there are several Authorization headers")
    token = _token(authorization[0] if authorization else "")
    claims = _claims(token, _secret(token, keys))
    sha256 = claims.get("sha256")
    if not isinstance(sha256, str):
        raise TokenInvalid(problem="it has no sha256 claim, so it is not a webhook's")
    signed_at = claims.get("nbf", claims.get("iat"))
    return Signature(sha256, None if signed_at is None else float(signed_at))


def issuer(authorization: Sequence[str]) -> str | None:
    """Return the API key that a token names, for the log alone: nothing of the token is verified."""
    try:
        token = _token(authorization[0] if authorization else "")
        claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, TokenMissing):
        return None
    return claimed if isinstance(claimed, str) else None


def _token(authorization: str) -> str:
    # LiveKit sends the bare token; some gateways put the scheme in front of it.
    scheme, space, credentials = authorization.strip().partition(" ")
    token = credentials.strip() if space and scheme.lower() == "bearer" else authorization.strip()
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
