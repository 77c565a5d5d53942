"""The token of an upload, which the agent's process signs with the API key of the LiveKit server."""

from __future__ import annotations

from collections.abc import Mapping

import jwt

from ops.console.uploads.errors import NoGrant, NotAuthorized

ALGORITHM = "HS256"
LEEWAY_SECONDS = 30
"""The clocks of workers and console may differ."""
_SCHEME = "Bearer "


def require_upload_grant(authorization: str | None, secrets: Mapping[str, str]) -> None:
    """Raise NotAuthorized or NoGrant unless the header has a token for uploads. `secrets`: by API key."""
    if authorization is None or not authorization.startswith(_SCHEME):
        raise NotAuthorized(problem="there is no bearer token")
    token = authorization.removeprefix(_SCHEME)
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        secret = secrets.get(issuer) if isinstance(issuer, str) else None
        if secret is None:
            raise NotAuthorized(problem="it is of an API key that is not known here")
        claims = jwt.decode(
            token, secret, algorithms=[ALGORITHM], leeway=LEEWAY_SECONDS, options={"require": ["exp", "iss"]}
        )
    except jwt.InvalidTokenError as error:
        raise NotAuthorized(problem=type(error).__name__) from None
    grant = claims.get("observability")
    if not isinstance(grant, dict) or grant.get("write") is not True:
        raise NoGrant
