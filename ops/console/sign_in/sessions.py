"""Sessions of operators in Redis."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ops.console import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in operator, by name. `claims`: the values that OpenID Connect has said, None with a password.

    `csrf`: the token that each form of this session carries.
    """

    name: str
    csrf: str = field(repr=False)
    claims: tuple[str, ...] | None = None


class Sessions:
    """The sessions in one Redis. Every method raises RedisError or OSError when Redis is away."""

    def __init__(self, redis: Redis, *, hours: float) -> None:
        self._redis = redis
        self._seconds = int(hours * 3600)

    @property
    def seconds(self) -> int:
        """The life of a session."""
        return self._seconds

    async def start(self, name: str, claims: tuple[str, ...] | None = None) -> str:
        """Start a session and return its token, which nothing but the operator's cookie keeps."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        content = {"name": name, "csrf": secrets.token_urlsafe(TOKEN_BYTES), "claims": claims}
        await self._redis.set(_key(token), json.dumps(content), ex=self._seconds)
        return token

    async def find(self, token: str) -> Session | None:
        """Return the session of a token, or None."""
        content = await self._redis.get(_key(token)) if token else None
        if content is None:
            return None
        fields = json.loads(content)
        claims = fields["claims"]
        return Session(fields["name"], fields["csrf"], None if claims is None else tuple(claims))

    async def end(self, token: str) -> None:
        """End a session."""
        await self._redis.delete(_key(token))


def _key(token: str) -> str:
    return keys.session(hashlib.sha256(token.encode()).hexdigest())
