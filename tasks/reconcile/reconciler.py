"""The ticks of one receiver's reconciler, a candidate for leader."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from tasks.errors import RedisUnavailable
from tasks.livekit_api import LiveKitUnreachable
from tasks.queue.dispatcher import Dispatching
from tasks.reconcile.admission import AdmissionSweep
from tasks.reconcile.end_notifier import EndNotifier
from tasks.reconcile.failures import Failures
from tasks.reconcile.livekit_sync import LiveKitSync
from tasks.reconcile.redis_clock import RedisClock
from tasks.reconcile.rescuer import Rescuer
from tasks.reconcile.settings_publisher import SettingsPublisher
from tasks.reconcile.tenantless_rooms import TenantlessRooms
from tasks.reconcile.wait_notifier import WaitNotifier
from tasks.redis_client import Outage, connect
from tasks.rooms import Counters, Repairs, RoomStore
from tasks.settings import Settings
from tasks.settings.process import process_name
from tasks.tenants import TenantReader

logger = logging.getLogger("switchboard.tasks.reconcile")

Sweep = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class ReconcilerConfig:
    """Intervals of the ticks, and how the log calls Redis."""

    tick_seconds: float = 1.0
    term_ms: int = 3000
    """How long a leader that does not tick remains leader."""
    sync_seconds: float = 3.0
    """Least time between two syncs with the LiveKit server. They begin with a tick, so it is at most 4 s."""
    redis: str = "Redis"
    """Host and port of Redis, for the log."""


DEFAULTS = ReconcilerConfig()


class Reconciler:
    """Ticks until it is stopped, and sweeps while it is the leader.

    Leases count only after Redis has answered for as long as one lasts, and its clock has not stepped: in that time
    each call that lives has renewed its own. `clock`: Redis', as this process has seen it.

    `sweeps` ask Redis alone, and run one after another in each tick, after the leases. `livekit_sweeps` ask the LiveKit
    server too, so they run beside the ticks, each group in its order: one that is slow delays its own group alone.
    `livekit_sync` is a group of its own; it returns whether it should run again with the next tick.
    """

    def __init__(  # noqa: PLR0913 - the parts of a reconciler
        self,
        rooms: RoomStore,
        rescuer: Rescuer,
        *,
        lease_ms: int,
        livekit_sync: Callable[[], Awaitable[bool]],
        livekit_is_up: Callable[[], bool] = lambda: False,
        repairs: Repairs | None = None,
        sweeps: Mapping[str, Sweep] | None = None,
        livekit_sweeps: Sequence[Mapping[str, Sweep]] = (),
        clock: RedisClock | None = None,
        config: ReconcilerConfig = DEFAULTS,
    ) -> None:
        self._rooms = rooms
        self._rescuer = rescuer
        self._lease_seconds = lease_ms / 1000
        self._livekit_sync = livekit_sync
        self._livekit_is_up = livekit_is_up
        self._repairs = Repairs() if repairs is None else repairs
        self._counters = Counters(rooms.redis)
        self._leads_until = float("-inf")
        self._sweeps = {"lost messages": rescuer.requeue_lost_messages} | dict(sweeps or {})
        self._livekit_sweeps = [{"LiveKit sync": self._sync_if_due}, *livekit_sweeps]
        self._config = config
        # Host and pid tell operators which process is the leader; the rest makes the name unique.
        self._name = f"{process_name()}:{uuid.uuid4().hex}"
        self._stopping = asyncio.Event()
        self._failures = Failures()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._clock = clock or RedisClock()
        self._outage = Outage(config.redis, logger)
        self._leases_valid_since = time.monotonic()
        self._leases_settled = False
        self._stepped_back = False
        # The first sync is due at once: there may have been no receiver to take webhooks until now.
        self._synced_at = float("-inf")

    @classmethod
    def from_settings(cls, settings: Settings, dispatcher: Dispatching) -> Reconciler:
        """Return the reconciler of this installation, with its own connection to Redis, which `aclose` closes."""
        rooms = RoomStore(connect(settings.redis), lease_ms=settings.lease.ttl_ms)
        tenants = TenantReader(rooms.redis, settings.tiers.names)
        clock = RedisClock()
        repairs = Repairs()
        livekit_sync = LiveKitSync(
            rooms, dispatcher, settings.livekit, max_attempts=settings.lease.max_attempts, repairs=repairs
        )
        tenantless = TenantlessRooms(rooms, dispatcher, settings.livekit, settings.tenants, repairs=repairs)
        return cls(
            rooms,
            Rescuer(rooms, settings.lease.max_attempts, repairs=repairs),
            lease_ms=settings.lease.ttl_ms,
            livekit_sync=livekit_sync.sweep,
            livekit_is_up=lambda: livekit_sync.livekit_is_up,
            repairs=repairs,
            sweeps={
                "permits and waits": AdmissionSweep(rooms, tenants, settings.tiers, clock, repairs=repairs).sweep,
                "settings": SettingsPublisher(rooms, settings).sweep,
            },
            livekit_sweeps=(
                {"tenantless rooms": tenantless.sweep},
                {
                    # In this order: of two about one room, the last one to write its attributes is right.
                    "waiting callers": WaitNotifier(rooms, settings.livekit, settings.tiers).sweep,
                    "callers at the end": EndNotifier(rooms, settings.livekit, settings.call).sweep,
                },
            ),
            clock=clock,
            config=ReconcilerConfig(redis=str(settings.redis.server)),
        )

    @property
    def is_leader(self) -> bool:
        """True while this one leads, as far as it knows: until the end of its term, if it cannot renew it."""
        return time.monotonic() < self._leads_until

    @property
    def livekit_is_up(self) -> bool:
        """True if the LiveKit server has answered the leader's last request for its rooms."""
        return self._livekit_is_up()

    def stop(self) -> None:
        """Let `run` return after its tick."""
        self._stopping.set()

    async def run(self) -> None:
        """Tick until stopped. An outage of Redis, also one with error replies, is logged once and waited out."""
        try:
            while not self._stopping.is_set():
                try:
                    await self.tick()
                except (RedisError, RedisUnavailable, OSError) as error:
                    self._note_outage(error)
                except Exception:
                    logger.exception("tick of the reconciler failed")
                else:
                    self._outage.answered()
                await self._pause()
        finally:
            await self._cancel_sweeps()

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        await self._rooms.redis.aclose()

    async def tick(self) -> int:
        """Reconcile once, if this one is the leader. Returns how many lost calls were requeued.

        The sweeps that ask the LiveKit server are only begun. Raises what Redis raises if it is away.
        """
        asked = time.monotonic()
        leads, now_ms = await self._rooms.hold_leadership(self._name, self._config.term_ms)
        if step := self._clock.read(now_ms, asked):
            logger.warning("Redis' clock has stepped; leases count again after one has passed", extra={"ms": step})
            self._distrust_leases()
            self._stepped_back = self._stepped_back or step < 0
        self._leads_until = asked + self._config.term_ms / 1000 if leads else float("-inf")
        if not leads:
            return 0
        requeued = 0
        with self._failures.of_sweep("lost calls"):
            if time.monotonic() - self._leases_valid_since >= self._lease_seconds:
                await self._settle_step_back()
                requeued = await self._rescuer.requeue_lost_calls(self._clock.latest_ms)
        for name, sweep in self._sweeps.items():
            with self._failures.of_sweep(name):
                await sweep()
        with self._failures.of_sweep("counters"):
            await self._counters.tick(now_ms, self._repairs)
        for number, group in enumerate(self._livekit_sweeps):
            if number not in self._running:
                self._running[number] = asyncio.create_task(self._run_beside(number, group))
        return requeued

    async def _run_beside(self, number: int, group: Mapping[str, Sweep]) -> None:
        try:
            for name, sweep in group.items():
                with self._failures.of_sweep(name):
                    await sweep()
        except LiveKitUnreachable as error:
            logger.warning("sweep not finished", extra={"sweeps": ", ".join(group), "problem": str(error)})
        except (RedisError, RedisUnavailable, OSError) as error:
            self._note_outage(error)
        finally:
            del self._running[number]

    async def _sync_if_due(self) -> None:
        if time.monotonic() - self._synced_at >= self._config.sync_seconds:
            self._synced_at = time.monotonic()
            if await self._livekit_sync():
                self._synced_at = float("-inf")

    def _note_outage(self, error: Exception) -> None:
        self._distrust_leases()
        self._outage.failed(error)

    async def _cancel_sweeps(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _distrust_leases(self) -> None:
        self._leases_valid_since = time.monotonic()
        self._leases_settled = False

    async def _settle_step_back(self) -> None:
        """Once after each wait for the leases: by then a lease that is too long was given by an earlier clock."""
        if not self._leases_settled:
            await self._rescuer.settle_step_back(self._lease_seconds, seen=self._stepped_back)
            self._leases_settled = True
            self._stepped_back = False

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._config.tick_seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
