"""Authentication of a backend by its API key, and the scope that its request needs.

A request with a key in Redis costs one read there, over connections of its own, so that webhooks never wait for one.
While Redis is away such a request is answered with 503 and a Retry-After: nobody is let in or turned away by guess.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from tasks.redis_client import connect, within_deadline
from tasks.settings import Settings
from tasks.tenants.api_key_store import ApiKeyReader
from tasks.tenants.api_keys import ApiKey, ConfiguredKeys, Scope
from webhooks import problems


@dataclass(frozen=True, slots=True)
class Backend:
    """The sender of a request. `presented`: its whole key."""

    key: ApiKey
    presented: str


class Authentication:
    """The check of API keys in one receiver."""

    def __init__(self, keys: ApiKeyReader, *, redis_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._redis_seconds = redis_seconds
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return one with its own connections, which `aclose` closes. Raises InvalidSetting."""
        return cls(
            ApiKeyReader(connect(settings.redis), configured_keys(settings)),
            redis_seconds=settings.redis.deadline_seconds,
        )

    async def require(self, request: Request, scope: Scope) -> Backend:
        """Return the sender of a request that needs this scope.

        Raises ApiKeyMissing, ApiKeyUnknown, ApiKeyExpired, ScopeMissing and RedisUnavailable.
        """
        sent = request.headers.getlist("authorization")
        # With several a proxy may have checked another one than this process would.
        scheme, _, credentials = (sent[0] if len(sent) == 1 else "").strip().partition(" ")
        presented = credentials.strip()
        if scheme.lower() != "bearer" or not presented:
            raise problems.ApiKeyMissing
        key = await within_deadline(self._keys.find(presented), self._redis_seconds)
        if key is None:
            raise problems.ApiKeyUnknown
        if key.is_expired(self._clock()):
            raise problems.ApiKeyExpired
        if scope not in key.scopes:
            raise problems.ScopeMissing(scope=scope)
        await within_deadline(self._keys.note_use(key), self._redis_seconds)
        return Backend(key, presented)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._keys.redis.aclose()


def configured_keys(settings: Settings) -> ConfiguredKeys:
    """Return the API keys of the setting. Raises InvalidSetting."""
    api_keys = settings.receiver.api_keys
    return ConfiguredKeys.parse(api_keys.get_secret_value() if api_keys else "")
