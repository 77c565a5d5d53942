"""The exporter: it collects all metrics when it is scraped, and answers also while Redis is away."""

from __future__ import annotations

import asyncio
import logging
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric as Family
from redis.exceptions import RedisError

from ops.metrics import catalogue
from ops.metrics.catalogue import NO_TIER
from ops.metrics.fleet import Fleet
from ops.metrics.ledger import Ledger
from ops.metrics.series import Distribution, Series
from tasks.errors import RedisUnavailable
from tasks.redis_client import Outage, within_deadline

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.settings import MetricsSettings, TierSettings

READ_SECONDS, COUNT_SECONDS = 4.0, 3.0
"""Time for what is read, and for what is counted. Prometheus gives a scrape 10 s in all."""
IDLE_SECONDS = 5.0
"""Time after which new entries are counted even if nobody scrapes: the streams are trimmed."""

logger = logging.getLogger("switchboard.ops.metrics")


class Exporter:
    """The metrics of one installation. `address`: of Redis, for the log."""

    def __init__(self, redis: Redis, tiers: TierSettings, metrics: MetricsSettings, *, address: object) -> None:
        self._tiers = tiers
        self._metrics = metrics
        self._fleet = Fleet(redis, tiers)
        self._ledger = Ledger(redis)
        self._outage = Outage(address, logger)
        self._counting: asyncio.Task[None] | None = None
        self._counted_at = float("-inf")
        self._process = ProcessCollector(registry=None)

    async def collect(self) -> list[Family]:
        """Return all metrics. While Redis fails, `switchboard_redis_up` is 0, and what is not known is left out."""
        series = await self._read()
        is_up = series is not None and await self._count()
        series = series or Series()
        series.set(catalogue.BUILD_INFO, version("livekit-switchboard"), version("livekit-agents"), value=1)
        series.set(catalogue.REDIS_UP, value=int(is_up))
        for tier, seconds in self._tiers.promise_seconds.items():
            series.set(catalogue.TIER_PROMISE, tier, value=seconds)
        if self._ledger.is_current:
            self._show_ledger(series)
        return [*series.families(catalogue.METRICS), *self._process.collect()]

    async def run(self) -> None:
        """Count new entries every few seconds, until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(max(0.0, self._counted_at + IDLE_SECONDS - time.monotonic()))
                try:
                    await self._count()
                except Exception:
                    logger.exception("entries not counted")
        finally:
            if self._counting is not None:
                self._counting.cancel()

    async def _read(self) -> Series | None:
        try:
            return await within_deadline(self._fleet.read(), READ_SECONDS)
        except RedisUnavailable as error:
            self._outage.failed(error)
            return None

    async def _count(self) -> bool:
        """Count new entries, and return whether Redis is up. What takes longer goes on in the background.

        Scrapes at the same time, and `run`, share one run of the ledger.
        """
        self._counted_at = time.monotonic()
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._ledger.advance())
        counting, batches = self._counting, self._ledger.batches
        answered, _ = await asyncio.wait({counting}, timeout=COUNT_SECONDS)
        if not answered:
            if self._ledger.batches > batches:
                return True
            self._outage.failed(RedisUnavailable(seconds=COUNT_SECONDS, error="no answer"))
            return False
        try:
            counting.result()
        except (RedisError, OSError) as error:
            self._outage.failed(error)
            return False
        self._outage.answered()
        return True

    def _show_ledger(self, series: Series) -> None:
        _show_zeros(series, [*self._tiers.queues, NO_TIER])
        folded = Series()
        for metric, labels, value in self._ledger.series.items():
            if "tenant" in metric.labels and not self._metrics.by_tenant and not isinstance(value, Distribution):
                index = metric.labels.index("tenant")
                folded.add(metric, *labels[:index], "", *labels[index + 1 :], value=value)
            else:
                series.set(metric, *labels, value=value)
        for metric, labels, value in folded.items():
            series.set(metric, *labels, value=value)


def _show_zeros(series: Series, tiers: list[str]) -> None:
    """Show 0 for what may come: without it, Prometheus would miss the first increase."""
    for tier in tiers:
        for metric, values in ENUMERATED.items():
            for value in values:
                series.set(metric, tier, value, value=0)
        if tier != NO_TIER:
            series.set(catalogue.CALLS_RECOVERED, tier, value=0)
            series.set(catalogue.USAGE_CALL_SECONDS, tier, "", value=0)
            for metric in HISTOGRAMS:
                series.set(metric, tier, value=Distribution.of(metric))


ENUMERATED = {
    catalogue.CALLS_ENDED: catalogue.CALL_OUTCOMES,
    catalogue.ATTEMPTS_ENDED: catalogue.ATTEMPT_ENDINGS,
    catalogue.DEAD_LETTERS: catalogue.DEAD_LETTER_KINDS,
}
HISTOGRAMS = [metric for metric in catalogue.METRICS if metric.kind is catalogue.Kind.HISTOGRAM]
