"""All that a background worker does, in the process of the test and without Celery: its tasks are run at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from redis.asyncio import Redis

from ops.commands.tenants.declaration import Declared
from ops.commands.tenants.plan import Planner
from pipeline.options import Secret
from tasks.background.notices.contents import ConsoleContents
from tasks.background.notices.delivery import Deliverer
from tasks.background.notices.notice import Delivery, Notice
from tasks.background.notices.scheduler import Scheduler
from tasks.background.notices.sender import Sender
from tasks.background.notices.store import NoticeStore
from tasks.encryption import Encryption
from tasks.rooms import RoomStore
from tasks.settings import Settings
from tasks.tenants import Tenant, TenantReader
from tasks.tenants.admin import TenantAdmin
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.record_signer import RecordSigner
from tests.support.backend import SECRET
from tests.support.tenants import SECRET as LIVEKIT_SECRET
from tests.support.waiting import until

ENVIRONMENT = {
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": LIVEKIT_SECRET,
    "SWITCHBOARD_NOTICE_NETWORKS": "127.0.0.0/8",
    "SWITCHBOARD_NOTICE_RETRY_SECONDS": "0.02,0.03,0.03,0.03,0.03,0.03,0.03",
    "SWITCHBOARD_NOTICE_TIMEOUT_SECONDS": "0.5",
}


def settings_with(**more: str) -> Settings:
    return Settings.read({**ENVIRONMENT, **more})


@dataclass
class Office:
    """A background worker. `sent`: the deliveries that were sent to the queue and not begun."""

    redis: Redis
    settings: Settings
    rooms: RoomStore
    store: NoticeStore
    scheduler: Scheduler
    deliverer: Deliverer
    sender: Sender
    sent: list[Delivery] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: Settings | None = None, source: Any = None) -> AsyncIterator[Self]:
        settings = settings or settings_with()
        store = NoticeStore(redis, settings.notices)
        tenants = TenantReader(redis, settings.tiers.names, RecordSigner(Encryption(settings)))
        sender = Sender(settings.notices)
        console = ConsoleContents(settings)
        deliverer = Deliverer(settings, store, tenants, sender, source or console)
        sent: list[Delivery] = []

        async def publish(due: Sequence[Delivery]) -> None:
            sent.extend(due)

        scheduler = Scheduler(settings, store, tenants, publish)
        try:
            yield cls(redis, settings, RoomStore(redis), store, scheduler, deliverer, sender, sent)
        finally:
            await sender.aclose()
            await console.aclose()

    async def declare(self, *secrets: str, more: dict[str, Any] | None = None, **urls: str) -> None:
        """Declare tenants with these addresses of their backends, as `switchboard tenants apply` does."""
        keys = {f"notices.secrets.{index}": Secret(value) for index, value in enumerate(secrets or (SECRET,))}
        references = [f"env:{path}" for path in keys]
        declared = {
            name: Declared(
                Tenant.model_validate(
                    {"id": name, "tier": "premium", "notices": {"url": url, "secrets": references, **(more or {})}}
                ),
                keys,
            )
            for name, url in urls.items()
        }
        encryption = Encryption(self.settings)
        planner = Planner(declared, ProviderKeyCipher(encryption))
        await TenantAdmin(self.redis, RecordSigner(encryption)).change(planner.plan)

    async def event(self, kind: str, sid: str = "RM_1", tenant: str = "acme") -> None:
        """Leave an event of a call, as the scripts of rooms do."""
        fields: dict[Any, Any] = {"kind": kind, "sid": sid, "name": f"call-{tenant}-1", "tenant": tenant}
        await self.redis.xadd("switchboard:notice_events", {**fields, "tier": "premium", "attempt": "1"})

    async def turn(self) -> None:
        """Look once at what there is, and run the tasks that were sent, all at once."""
        await self.scheduler.turn()
        sent, self.sent[:] = [*self.sent], []
        await asyncio.gather(*(self.deliverer.deliver(delivery) for delivery in sent))

    async def work_until(self, condition: Any) -> None:
        """Turn until a condition holds."""

        async def worked() -> bool:
            await self.turn()
            return bool(condition())

        await until(worked)

    async def notices(self, tenant: str = "acme") -> list[Notice]:
        """The notices of a tenant, the oldest first."""
        return (await self.store.list_notices(tenant))[::-1]
