"""Signatures of webhooks, as by livekit-server."""

from __future__ import annotations

import base64
import hashlib
import time

import jwt


def sign(body: bytes, key: str, secret: str, *, expires_in_s: float = 300) -> str:
    """Return the value of the Authorization header for `body`: a token of API key `key`, valid for `expires_in_s`."""
    now = int(time.time())
    claims = {
        "iss": key,
        "iat": now,
        "nbf": now,
        "exp": now + int(expires_in_s),
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    return jwt.encode(claims, secret, algorithm="HS256")
