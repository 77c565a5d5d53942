from __future__ import annotations

from dataclasses import dataclass, field

from tasks.errors import RedisUnavailable, SwitchboardError
from tasks.queue.dispatcher import DispatchResult, RoomInfo
from tasks.queue.routing import RoomMetadata, is_left_to_others
from tasks.rooms import CloseResult
from tasks.tenants import Tenant

REDIS_AWAY = RedisUnavailable(seconds=2.0, error="ConnectionError")
KEY = "key"
SECRET = "a secret that is long enough for HS256 to be content"
ENVIRONMENT = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}


@dataclass
class MemoryDispatcher:
    """A dispatcher that records its calls and returns what a test has set, so that only the routes are tested."""

    opened: list[RoomInfo] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)
    opens: DispatchResult = DispatchResult.QUEUED
    closes: CloseResult = CloseResult.CANCELLED
    problem: SwitchboardError | None = None
    is_closed: bool = False

    async def open(self, room: RoomInfo) -> DispatchResult:
        await self.ping()
        self.opened.append(room)
        return self.opens

    def is_left(self, *, name: str, metadata: str) -> bool:
        return is_left_to_others(name, RoomMetadata.parse(metadata), ())

    async def note_webhook(self, room: str, event: str) -> None:
        await self.ping()
        self.noted.append((room, event))

    async def save_trace(self, name: str) -> None:
        raise NotImplementedError

    async def save_agent_metadata(self, name: str, metadata: str) -> None:
        raise NotImplementedError

    async def close(self, sid: str) -> CloseResult:
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
        self.is_closed = True
