"""The process of a background worker: an event loop in a thread, with the scheduler and all requests in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from tasks.background.notices.contents import ConsoleContents
from tasks.background.notices.delivery import Deliverer
from tasks.background.notices.notice import Delivery
from tasks.background.notices.scheduler import Scheduler
from tasks.background.notices.sender import Sender
from tasks.background.notices.store import NoticeStore
from tasks.encryption import Encryption
from tasks.redis_client import connect
from tasks.settings import Settings
from tasks.tenants import TenantReader
from tasks.tenants.record_signer import RecordSigner

T = TypeVar("T")


class BackgroundProcess:
    """The event loop of one background worker, and all that its tasks share.

    `publish`: sends deliveries to the queue; it may block. `mark`: see `Scheduler`.

    `start` comes first and `close` last. Until `schedule` nothing is sent to the queue, and after `stop_scheduling`.
    """

    def __init__(
        self, settings: Settings, publish: Callable[[Sequence[Delivery]], None], mark: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._publish = publish
        self._mark = mark
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="background", daemon=True)
        self._scheduler: Scheduler | None = None

    def start(self) -> None:
        """Start the event loop, and open what is opened once. Raises no error of Redis: it is not asked yet."""
        self._thread.start()
        self._run(self._open())

    def schedule(self) -> None:
        """Start the scheduler."""
        self._scheduler = Scheduler(self._settings, self._store, self._tenants, self._publish_in_thread, self._mark)
        asyncio.run_coroutine_threadsafe(self._scheduler.run(), self._loop)

    def stop_scheduling(self) -> None:
        """Stop the scheduler. Tries that have begun go on."""
        if self._scheduler is not None:
            self._scheduler.stop()

    def deliver(self, delivery: Delivery) -> str:
        """Make one try of a notice, and return its result in a word. Raises RedisError or OSError."""
        return self._run(self._deliverer.deliver(delivery))

    def close(self) -> None:
        """Close all connections, and end the event loop."""
        self.stop_scheduling()
        with suppress(Exception):
            self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1.0)

    async def _open(self) -> None:
        redis = connect(self._settings.redis)
        self._store = NoticeStore(redis, self._settings.notices)
        signer = RecordSigner(Encryption(self._settings))
        self._tenants = TenantReader(redis, self._settings.tiers.names, signer)
        self._sender = Sender(self._settings.notices)
        self._contents = ConsoleContents(self._settings)
        self._deliverer = Deliverer(self._settings, self._store, self._tenants, self._sender, self._contents)

    async def _close(self) -> None:
        await self._sender.aclose()
        await self._contents.aclose()
        await self._store.redis.aclose()

    async def _publish_in_thread(self, due: Sequence[Delivery]) -> None:
        await asyncio.to_thread(self._publish, due)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
