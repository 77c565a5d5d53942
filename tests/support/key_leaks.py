"""A check for leaked keys: every key in Redis has a TTL, or is one of the permanent ones."""

from __future__ import annotations

from fnmatch import fnmatchcase

from redis.asyncio import Redis

from tasks.background.notices import keys as notice_keys
from tasks.rooms import keys as room_keys
from tasks.tenants import keys as tenant_keys

# Celery's and kombu's own: queues, their bindings, reserved messages, and the events and replies of remote control.
_CELERY = (
    "premium",
    "standard",
    "free",
    "background",
    "loaded",
    "documented",
    "thorough",
    "short",
    "capped",
    "hasty",
    "_kombu.*",
    "unacked*",
    "*.celery.pidbox",
    "*.reply.celery.pidbox",
)

WITHOUT_TTL = -1
"""What PTTL answers for a key that never expires. A key that is gone has -2."""

PERMANENT = room_keys.PERMANENT | tenant_keys.PERMANENT | notice_keys.PERMANENT


async def leaked_keys(client: Redis) -> list[str]:
    """Return the keys that have no TTL and should have one."""
    leaked = []
    async for key in client.scan_iter():
        permanent = key in PERMANENT or any(fnmatchcase(key, pattern) for pattern in _CELERY)
        # A key may have expired since the scan named it.
        if not permanent and await client.pttl(key) == WITHOUT_TTL:
            leaked.append(key)
    return sorted(leaked)
