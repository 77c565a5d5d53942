"""The proof that webhooks arrive: receivers note those of a room that `switchboard doctor` has created for this.

The room says in its metadata that it wants no agent, so no receiver opens it, not one of an earlier version either. A
receiver notes its events in a stream of a minute, which `switchboard doctor` reads: that the event came, where, and at
what time by which clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from tasks.rooms import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

PREFIX: Final = "switchboard-doctor-"
"""The beginning of the names of such rooms."""
METADATA: Final = '{"switchboard": false}'
"""The metadata of such rooms."""
LENGTH: Final = 10
BLOCK_MS: Final = 1000
"""The longest time of one read. It is shorter than any client's timeout."""


@dataclass(frozen=True, slots=True)
class NotedWebhook:
    """A webhook that a receiver has noted.

    `receiver`: its host and process. `received_ms`: when it came, unix ms by the receiver's clock. `noted_ms`: the same
    by Redis' clock.
    """

    event: str
    receiver: str
    received_ms: int
    noted_ms: int

    @classmethod
    def read(cls, entry: str, fields: Mapping[str, str]) -> Self:
        """Return the note of a stream's entry, whose id begins with Redis' time."""
        noted_ms = int(entry.partition("-")[0])
        return cls(fields["event"], fields["receiver"], int(fields["received_ms"]), noted_ms)


def is_for_check(name: str) -> bool:
    """Return whether a room's name is that of a room of `switchboard doctor`."""
    return name.startswith(PREFIX)


class WebhookCheck:
    """The webhooks of one room, noted and read. Methods raise `redis.RedisError` or `OSError` when Redis is away."""

    def __init__(self, redis: Redis, room: str) -> None:
        self._redis = redis
        self._key = keys.webhook_check(room)

    async def note(self, event: str, *, receiver: str, received_ms: int) -> None:
        """Note one webhook."""
        fields = {"event": event, "receiver": receiver, "received_ms": received_ms}
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(self._key, cast("Any", fields), maxlen=LENGTH)
            pipe.pexpire(self._key, keys.WEBHOOK_CHECK_MS)
            await pipe.execute()

    async def read(self) -> list[NotedWebhook]:
        """Return what is noted so far, once there is something, or an empty list after a second."""
        answer: Any = await self._redis.xread({self._key: "0"}, block=BLOCK_MS)
        entries = [entry for _, listed in answer or () for entry in listed]
        return [NotedWebhook.read(entry, fields) for entry, fields in entries]

    async def forget(self) -> None:
        """Remove the notes."""
        await self._redis.delete(self._key)
