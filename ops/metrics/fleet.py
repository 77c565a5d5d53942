"""The gauges of workers, queues, rooms and the reconciler, as Redis has them now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import ResponseError

from ops.metrics import catalogue
from ops.metrics.records import show_records
from ops.metrics.series import Series
from tasks.background.notices import keys as notice_keys
from tasks.background.notices.state import read_state
from tasks.rooms import Intake, RoomCensus, SweepName, WorkerStatus, keys
from tasks.rooms.counters import UploadOutcome

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.settings import TierSettings

SCAN_BATCH = 1000


class Fleet:
    """The state of one installation. The client must decode responses."""

    def __init__(self, redis: Redis, tiers: TierSettings) -> None:
        self._redis = redis
        self._tiers = tiers
        self._census = RoomCensus(redis)

    async def read(self) -> Series:
        """Return the gauges, and the counters that others keep. Raises RedisError or OSError."""
        series = Series()
        workers = await self._workers()
        for worker in workers:
            _show_worker(series, worker)
        await self._show_queues(series, workers)
        await self._show_rooms(series)
        await self._show_counters(series)
        await show_records(series, self._redis)
        await self._show_notices(series)
        return series

    async def _workers(self) -> list[WorkerStatus]:
        names = sorted([str(key) async for key in self._redis.scan_iter(f"{keys.WORKERS}*", count=SCAN_BATCH)])
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            beats = zip(names, await pipe.execute(raise_on_error=False), strict=True)
        read = (_readable(name.removeprefix(keys.WORKERS), beat) for name, beat in beats)
        return [worker for worker in read if worker is not None]

    async def _show_queues(self, series: Series, workers: list[WorkerStatus]) -> None:
        takers: Counter[str] = Counter()
        idle: Counter[str] = Counter()
        for worker in workers:
            for queue in worker.queues:
                takers[queue] += worker.state != Intake.DRAINING
                idle[queue] += worker.idle if worker.state == Intake.OPEN else 0
        queues = list(dict.fromkeys([*self._tiers.queue_names, *takers]))
        async with self._redis.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(queue)
            lengths = await pipe.execute()
        for queue, length in zip(queues, lengths, strict=True):
            series.set(catalogue.QUEUE_MESSAGES, queue, value=length)
            series.set(catalogue.QUEUE_WORKERS, queue, value=takers[queue])
            series.set(catalogue.QUEUE_IDLE_SLOTS, queue, value=idle[queue])

    async def _show_rooms(self, series: Series) -> None:
        for tier, census in (await self._census.take(list(self._tiers.queues))).items():
            counts = (census.waiting, census.queued, census.running)
            for state, number in zip(catalogue.ROOM_STATES, counts, strict=True):
                series.set(catalogue.ROOMS, tier, state, value=number)
            series.set(catalogue.OLDEST_WAIT, tier, value=census.longest_wait_ms / 1000)

    async def _show_counters(self, series: Series) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.exists(keys.LEADER)
            pipe.hgetall(keys.COUNTERS)
            pipe.zcard(keys.ERASURES)
            leads, counters, erasures = await pipe.execute()
        series.set(catalogue.RECONCILER_UP, value=int(leads))
        for sweep in SweepName:
            series.set(catalogue.RECONCILER_REPAIRS, sweep.value, value=0)
        for tier in (*self._tiers.queues, catalogue.NO_TIER):
            series.set(catalogue.CALLS_STARTED, tier, value=0)
        for uploaded in catalogue.UPLOAD_KINDS:
            for outcome in UploadOutcome:
                series.set(catalogue.UPLOADS, uploaded, outcome.value, value=0)
        series.set(catalogue.ERASURES_WAITING, value=erasures)
        for name, number in counters.items():
            _show_counter(series, name, number)

    async def _show_notices(self, series: Series) -> None:
        state = await read_state(self._redis)
        counters = await cast("Any", self._redis).hgetall(notice_keys.COUNTERS)
        series.set(catalogue.NOTICE_EVENTS, value=state.events)
        series.set(catalogue.NOTICE_OLDEST_EVENT, value=state.oldest_seconds)
        series.set(catalogue.NOTICE_BACKENDS_DISABLED, value=len(state.disabled))
        for result in catalogue.NOTICE_RESULTS:
            series.set(catalogue.NOTICE_TRIES, result, value=int(counters.get(f"tries:{result}", 0)))
        for outcome in catalogue.NOTICE_OUTCOMES:
            series.set(catalogue.NOTICES, outcome, value=int(counters.get(f"notices:{outcome}", 0)))


def _show_counter(series: Series, name: str, number: str) -> None:
    kind, _, label = name.partition(":")
    if kind == keys.STARTED:
        series.set(catalogue.CALLS_STARTED, label or catalogue.NO_TIER, value=int(number))
    elif kind == keys.REPAIRED:
        series.set(catalogue.RECONCILER_REPAIRS, label, value=int(number))
    elif kind == keys.UPLOADED:
        uploaded, _, outcome = label.partition(":")
        series.set(catalogue.UPLOADS, uploaded, outcome, value=int(number))
    elif kind == keys.TICKED_MS:
        series.set(catalogue.RECONCILER_LAST_TICK, value=int(number) / 1000)


def _show_worker(series: Series, worker: WorkerStatus) -> None:
    node = worker.node
    series.set(catalogue.WORKER_BUSY_SLOTS, node, value=worker.busy)
    series.set(catalogue.WORKER_IDLE_SLOTS, node, value=worker.idle)
    series.set(catalogue.WORKER_SLOT_LIMIT, node, value=worker.slots)
    series.set(catalogue.WORKER_LOAD, node, value=worker.load)
    series.set(catalogue.WORKER_RESERVED, node, value=worker.reserved)
    series.set(catalogue.WORKER_LATE_RENEWALS, node, value=worker.late_renewals)
    for state in Intake:
        series.set(catalogue.WORKER_INTAKE, node, state.value, value=int(worker.state == state))
    for queue in worker.queues:
        series.set(catalogue.WORKER_QUEUE, node, queue, value=1)


def _readable(node: str, beat: Mapping[str, str] | Exception) -> WorkerStatus | None:
    """Return a worker's status; None if its heartbeat has expired meanwhile, or is of something else."""
    if isinstance(beat, ResponseError) and str(beat).startswith("WRONGTYPE"):
        return None
    if isinstance(beat, Exception):
        raise beat
    try:
        return WorkerStatus.read(node, beat) if beat else None
    except (KeyError, ValueError):
        return None
