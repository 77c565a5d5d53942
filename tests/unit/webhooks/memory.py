from __future__ import annotations

from dataclasses import dataclass, field

from tasks.errors import RedisUnavailable, SwitchboardError
from tasks.queue.dispatcher import Opened, RoomSeen
from tasks.rooms import Closed
from tasks.tenants import Tenant

REDIS_AWAY = RedisUnavailable(seconds=2.0, error="ConnectionError")
KEY = "key"
SECRET = "a secret that is long enough for HS256 to be content"


@dataclass
class MemoryDispatcher:
    """Remembers what it was told, and answers what a test wants: only the route is under test here."""

    opened: list[RoomSeen] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    opens: Opened = Opened.QUEUED
    closes: Closed = Closed.CANCELLED
    problem: SwitchboardError | None = None
    hung_up: bool = False

    async def open(self, room: RoomSeen) -> Opened:
        await self.ping()
        self.opened.append(room)
        return self.opens

    async def close(self, sid: str) -> Closed:
        await self.ping()
        self.closed.append(sid)
        return self.closes

    async def tenant(self, tenant: str) -> Tenant:
        await self.ping()
        return Tenant(id=tenant, tier="premium")

    async def tenant_by_number(self, number: str) -> Tenant:
        await self.ping()
        return Tenant(id=number, tier="premium")

    async def ping(self) -> None:
        if self.problem is not None:
            raise self.problem

    async def aclose(self) -> None:
        self.hung_up = True
