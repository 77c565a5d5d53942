"""Checks of what Redis says of itself: version, role, eviction, persistence, memory and clients.

All of it comes from INFO, which managed services allow where they refuse CONFIG.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from ops.commands.doctor.finding import Finding, NotChecked, error, ok, warning
from ops.commands.doctor.installation import Installation

LEAST_VERSION = (6, 2)
NO_EVICTION = "noeviction"
FULL, NEARLY_FULL = 0.9, 0.75
MB = 1 << 20


async def version(installation: Installation) -> AsyncIterator[Finding]:
    """Check the version, and that it is no Redis Cluster."""
    info = await installation.redis_info()
    text = str(info.get("redis_version", ""))
    numbers = tuple(int(number) for number in re.findall(r"\d+", text)[:2])
    if len(numbers) < len(LEAST_VERSION):
        raise NotChecked(f"the version {text!r} cannot be read")
    if info.get("cluster_enabled") or info.get("redis_mode") == "cluster":
        cure = "use one Redis, or one with Sentinels: a room's script has keys in several slots of a cluster"
        yield error(f"{text} is a Redis Cluster", cure)
    elif numbers < LEAST_VERSION:
        yield error(f"{text} is older than {'.'.join(map(str, LEAST_VERSION))}", "install Redis 7 or Valkey")
    else:
        yield ok(text)


async def role(installation: Installation) -> AsyncIterator[Finding]:
    """Check that it is the master."""
    info = await installation.redis_info()
    if "role" not in info:
        raise NotChecked("INFO has no role")
    if info["role"] == "master":
        yield ok(f"a master with {_count(int(info.get('connected_slaves', 0)), 'replica')}")
        return
    master = f"{info.get('master_host')}:{info.get('master_port')}"
    cure = (
        f"let REDIS_URL lead to the master ({master}), or name the Sentinels that know it: sentinel://host:26379,…; "
        "if this one should be the master: REPLICAOF NO ONE. If nobody of yours has made it a replica, somebody else "
        "can write to it: close its port and set a password"
    )
    yield error(f"it is a replica of {master} and takes no writes", cure)


async def eviction(installation: Installation) -> AsyncIterator[Finding]:
    """Check that Redis drops no key when its memory is full."""
    info = await installation.redis_info()
    policy = info.get("maxmemory_policy")
    if policy is None:
        raise NotChecked("INFO has no maxmemory_policy", "look at maxmemory-policy in the settings of the service")
    evicted = int(info.get("evicted_keys", 0))
    if policy != NO_EVICTION:
        # A volatile policy is no better: rooms, heartbeats and the leader have a TTL.
        yield error(
            f"maxmemory-policy is {policy}: when its memory is full, Redis drops rooms with calls and queues",
            f"CONFIG SET maxmemory-policy {NO_EVICTION}, and the same in redis.conf or in the parameters of the "
            "service; give caches a Redis of their own",
        )
    if evicted:
        text = f"it has dropped {_count(evicted, 'key')} since its start: calls may be lost"
        yield error(text, "raise maxmemory; the count goes back to 0 with CONFIG RESETSTAT")
    if policy == NO_EVICTION and not evicted:
        yield ok(f"{NO_EVICTION}, and none dropped")


async def persistence(installation: Installation) -> AsyncIterator[Finding]:
    """Check that tenants and queued calls survive a restart, and that saving does not fail."""
    info = await installation.redis_info()
    failed = [
        what
        for what, field in (
            ("the last snapshot", "rdb_last_bgsave_status"),
            ("the last write of the append-only file", "aof_last_write_status"),
            ("the last rewrite of the append-only file", "aof_last_bgrewrite_status"),
        )
        if info.get(field, "ok") != "ok"
    ]
    if failed:
        cure = "make room on Redis' disk or mend its rights: Redis' log has the reason, and soon it takes no writes"
        yield error(f"{' and '.join(failed)} has failed", cure)
    elif info.get("aof_enabled"):
        yield ok("an append-only file is written")
    else:
        yield warning(
            "no append-only file: a restart loses the calls since the last snapshot, and without snapshots the tenants",
            "CONFIG SET appendonly yes, and the same in redis.conf; of a managed Redis, see its settings",
        )


async def memory(installation: Installation) -> AsyncIterator[Finding]:
    """Check that there is memory left."""
    info = await installation.redis_info()
    if "used_memory" not in info:
        raise NotChecked("INFO has no used_memory", "look at the memory in the console of the service")
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    limit, of = (most, "maxmemory") if most else (int(info.get("total_system_memory", 0)), "its host's memory")
    if not limit:
        yield ok(f"{used / MB:.0f} MB used; the limit is not told")
        return
    share = used / limit
    text = f"{used / MB:.0f} of {limit / MB:,.0f} MB of {of} used"
    cure = "raise maxmemory" if most else "set maxmemory, or give its host more"
    if share >= FULL:
        yield error(text, f"{cure}; at the limit no call is answered. redis-cli --bigkeys shows what fills it")
    elif share >= NEARLY_FULL:
        yield warning(text, f"{cure}; redis-cli --bigkeys shows what fills it")
    else:
        yield ok(text)


async def clients(installation: Installation) -> AsyncIterator[Finding]:
    """Check that there are connections left for all spares: each call has one."""
    info = await installation.redis_info()
    connected, most = int(info.get("connected_clients", 0)), _most_clients(info)
    if most is None:
        raise NotChecked("INFO has no maxclients", "look at maxclients in the settings of the service")
    idle = sum(worker.idle for worker in await installation.workers())
    text = f"{connected} of {most} clients connected"
    rejected = int(info.get("rejected_connections", 0))
    cure = "raise maxclients, and Redis' limit of open files with it (ulimit -n)"
    if connected + idle > most * FULL:
        yield error(f"{text}, and {_count(idle, 'spare')} will need one each", cure)
    elif rejected:
        yield warning(f"{text}; {_count(rejected, 'connection')} refused since its start", cure)
    else:
        yield ok(text)


def _most_clients(info: dict[str, Any]) -> int | None:
    most = info.get("maxclients")
    return None if most is None else int(most)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
