"""A check of the rights of our user of Redis: those of a receiver, of a worker, or of both, or of a background worker.

It tries requests that change nothing: the removal of what no key has. Redis checks the rights before it looks at a key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple, cast

from redis.asyncio.client import PubSub
from redis.exceptions import NoPermissionError, RedisError

from ops.commands.doctor.finding import Finding, error, ok
from ops.commands.doctor.installation import Installation
from tasks.background.notices import keys as notice_keys
from tasks.errors import RedisUnavailable
from tasks.queue.idempotency.store import redis_key
from tasks.rooms import keys
from tasks.settings.groups import BACKGROUND_QUEUE
from tasks.tenants import keys as tenant_keys

NOTHING = "switchboard doctor"
"""A member, a field and a part of names that nothing has."""
NO_ENTRY = "0-1"
MOST_NAMED = 4


class Request(NamedTuple):
    """A request that changes nothing."""

    command: str
    key: str
    rest: tuple[str, ...] = ()


SORTED_SETS = (
    *(keys.ROOMS, keys.QUEUED, keys.LEASES, keys.DELAYED, keys.PERMITS, keys.WAITLIST),
    *(keys.ELIGIBLE, keys.UNANSWERED, keys.NOTIFY, keys.TENANTLESS),
)


def requests_of_both(queues: tuple[str, ...]) -> Iterator[Request]:
    """Yield requests that receivers and workers must be allowed."""
    for key in SORTED_SETS:
        yield Request("ZREM", key, (NOTHING,))
    yield Request("HDEL", keys.ADMISSION, (NOTHING,))
    yield Request("HDEL", keys.room(NOTHING), (NOTHING,))
    yield Request("XDEL", keys.CALLS, (NO_ENTRY,))
    yield Request("XDEL", keys.NOTICE_EVENTS, (NO_ENTRY,))
    yield Request("XDEL", keys.DEAD, (NO_ENTRY,))
    yield Request("DEL", keys.conversation(NOTHING))
    yield Request("DEL", keys.agent_metadata(NOTHING))
    yield Request("HGET", tenant_keys.TENANTS, (NOTHING,))
    for queue in queues:
        yield Request("LREM", queue, ("1", NOTHING))


def requests_of_a_receiver(queues: tuple[str, ...]) -> Iterator[Request]:
    """Yield requests that receivers must be allowed."""
    yield from requests_of_both(queues)
    yield Request("HGET", tenant_keys.NUMBERS, (NOTHING,))
    yield Request("HGET", tenant_keys.API_KEYS, (NOTHING,))
    yield Request("HDEL", tenant_keys.API_KEY_USES, (NOTHING,))
    yield Request("HDEL", keys.INSTALLATION, (NOTHING,))
    yield Request("HGETALL", keys.worker(NOTHING))
    yield Request("DEL", keys.webhook_check(NOTHING))
    # The leader's own key is not touched, nor is that of a request.
    yield Request("GET", keys.LEADER)
    yield Request("DEL", redis_key("none"))


def requests_of_a_worker(queues: tuple[str, ...]) -> Iterator[Request]:
    """Yield requests that workers must be allowed."""
    yield from requests_of_both(queues)
    yield Request("HDEL", keys.worker(NOTHING), (NOTHING,))
    yield Request("HGET", keys.INSTALLATION, (NOTHING,))
    yield Request("HGET", tenant_keys.PROVIDER_KEYS, (NOTHING,))
    yield Request("HGET", tenant_keys.SIGNATURES, (NOTHING,))
    yield Request("SREM", "_kombu.binding.celery.pidbox", (NOTHING,))


def requests_of_a_background_worker() -> Iterator[Request]:
    """Yield requests that background workers must be allowed."""
    yield Request("XDEL", keys.NOTICE_EVENTS, (NO_ENTRY,))
    yield Request("ZREM", notice_keys.BACKENDS_DUE, (NOTHING,))
    yield Request("HDEL", notice_keys.BACKENDS_DISABLED, (NOTHING,))
    yield Request("HDEL", notice_keys.COUNTERS, (NOTHING,))
    yield Request("GET", notice_keys.SCHEDULER)
    yield Request("DEL", notice_keys.notice(NOTHING))
    for name in (tenant_keys.TENANTS, tenant_keys.PROVIDER_KEYS, tenant_keys.SIGNATURES):
        yield Request("HGET", name, (NOTHING,))
    yield Request("LREM", BACKGROUND_QUEUE, ("1", NOTHING))
    yield Request("HDEL", "unacked_background", (NOTHING,))


async def access(installation: Installation) -> AsyncIterator[Finding]:
    """Check that our user may do what a receiver, a worker or a background worker does."""
    await installation.require_redis()
    user = await _user(installation)
    queues = installation.settings.tiers.queue_names
    receiver = await _refused(installation, list(requests_of_a_receiver(queues)))
    worker = await _refused(installation, list(requests_of_a_worker(queues)))
    worker += await _refused_channels(installation)
    if not receiver and not worker:
        yield ok(f"user {user} may do what receivers and workers need")
    elif not receiver or not worker:
        may, not_ = ("workers", "receivers") if receiver else ("receivers", "workers")
        yield ok(f"user {user} may do what {may} need, and not what {not_} need")
    elif not await _refused(installation, list(requests_of_a_background_worker())):
        yield ok(f"user {user} may do what background workers need, and not what receivers and workers need")
    else:
        kind, refused = min((("receiver", receiver), ("worker", worker)), key=lambda pair: len(pair[1]))
        named = ", ".join(refused[:MOST_NAMED]) + (", …" if len(refused) > MOST_NAMED else "")
        cure = (
            f"give it the commands and the key patterns of the line `user {kind}` in ops/docker/redis_users.conf, and "
            "with other queues than the default ones a pattern for each"
        )
        yield error(f"user {user} may not do what a {kind} does: {named}", cure)


async def _user(installation: Installation) -> str:
    try:
        return str(await installation.ask_redis(cast("Any", installation.redis.acl_whoami())))
    except RedisUnavailable:
        return installation.settings.redis.server.username or "default"


async def _refused(installation: Installation, requests: list[Request]) -> list[str]:
    """Return those of the requests that Redis refuses. Raises RedisUnavailable."""

    async def ask() -> list[Any]:
        async with installation.redis.pipeline(transaction=False) as pipe:
            for command, key, rest in requests:
                pipe.execute_command(command, key, *rest)
            return await pipe.execute(raise_on_error=False)

    answers = await installation.ask_redis(ask())
    return [
        f"{request.command} {request.key.replace(NOTHING, '*')}"
        for request, answer in zip(requests, answers, strict=True)
        if isinstance(answer, NoPermissionError)
    ]


async def _refused_channels(installation: Installation) -> list[str]:
    """Return the channel of Celery's remote control, by which a worker hears `switchboard drain`, if it is refused."""
    channel = f"/{installation.settings.redis.server.db}.celery.pidbox"

    async def subscribe() -> list[str]:
        subscription: PubSub = installation.redis.pubsub()
        async with subscription:
            await subscription.subscribe(channel)
            try:
                await subscription.get_message(timeout=1.0)
            except NoPermissionError:
                return [f"SUBSCRIBE {channel}"]
            except RedisError:
                return []
        return []

    return await installation.ask_redis(subscribe())
