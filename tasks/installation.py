"""The settings that receivers and workers must have in common, compared over Redis.

The leading receiver publishes its own, in a hash that expires. A worker reads them at its start, and again when their
digest, which its heartbeat brings, has changed; a difference is said in one line, once for each change. It is said and
not refused, because settings change one process after the other, and the receivers' are not always the right ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import redis
    from redis import asyncio as aioredis

    from tasks.settings import Settings

EXPIRE_MS = 60_000
_FINGERPRINT = b"switchboard: installation"


def shared_settings(settings: Settings) -> dict[str, str]:
    """Return the settings that matter to both sides, by their variables. Of a secret only a fingerprint."""
    secret = settings.livekit.api_secret.get_secret_value()
    return {
        "SWITCHBOARD_LEASE_TTL_MS": str(settings.lease.ttl_ms),
        "SWITCHBOARD_LEASE_RENEW_MS": str(settings.lease.renew_ms),
        "SWITCHBOARD_MAX_ATTEMPTS": str(settings.lease.max_attempts),
        "SWITCHBOARD_TIERS": ",".join(f"{tier}={queue}" for tier, queue in sorted(settings.tiers.queues.items())),
        "LIVEKIT_API_KEY": settings.livekit.api_key,
        "LIVEKIT_API_SECRET": _fingerprint(settings.livekit.api_key, secret),
    }


def _fingerprint(key: str, secret: str) -> str:
    # Slow on purpose: Redis must not be a place where a weak secret is guessed.
    return hashlib.scrypt(secret.encode(), salt=_FINGERPRINT + key.encode(), n=2**14, r=8, p=1, dklen=8).hex()


def digest(shared: Mapping[str, str]) -> str:
    """Return a digest of shared settings."""
    return hashlib.sha256(json.dumps(dict(shared), sort_keys=True).encode()).hexdigest()[:16]


async def publish(client: aioredis.Redis, key: str, shared: Mapping[str, str]) -> None:
    """Write the receivers' settings. Raises RedisError or OSError."""
    async with client.pipeline(transaction=True) as pipe:
        pipe.hset(key, mapping=cast("Any", {**shared, "digest": digest(shared)}))
        pipe.pexpire(key, EXPIRE_MS)
        await pipe.execute()


def differences(client: redis.Redis, key: str, shared: Mapping[str, str]) -> list[str]:
    """Return a phrase for each setting that the receivers have differently. Raises RedisError or OSError."""
    theirs = cast("dict[str, str]", cast("Any", client.hgetall(key)))
    phrases = []
    for name, value in shared.items():
        if name in theirs and theirs[name] != value:
            secret = name == "LIVEKIT_API_SECRET"
            phrases.append(f"{name} is another" if secret else f"{name} is {value} here and {theirs[name]} there")
    return phrases
