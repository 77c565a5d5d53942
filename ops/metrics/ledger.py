"""The counters and histograms of calls, brought up to date from the streams of records and of dead letters.

They are kept in Redis together with the last entries that they include, written by one script. So they depend on the
streams alone: an exporter that was restarted, or a second one, goes on from there, and no entry is counted twice or
left out. Prometheus sees no reset.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from ops.metrics.catalogue import BY_NAME, INFINITY, Kind, Metric
from ops.metrics.entries import count_entry
from ops.metrics.series import Distribution, Labels, Series, Value
from tasks.rooms import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

STREAMS = (keys.CALLS, keys.DEAD)
BATCH = 500
"""Entries that are counted between two writes."""
START = "0-0"
MOST_OPEN_LABELS = 200
"""Values of labels that come from agents or providers, for one metric. More are counted as OTHER."""
OTHER = "other"
CONFLICTS = 5
"""Writes of other exporters that one `advance` makes way for."""

logger = logging.getLogger("switchboard.ops.metrics")


class BoundedSeries(Series):
    """Series that know which of them have changed, and whose open labels have a bounded number of values."""

    def __init__(self) -> None:
        super().__init__()
        self.changed: set[tuple[Metric, Labels]] = set()
        self._open: dict[Metric, set[Labels]] = {}

    def set(self, metric: Metric, *labels: str, value: Value) -> None:
        """Set the value of one series, as it was stored."""
        super().set(metric, *labels, value=value)
        if metric.open_labels and OTHER not in (values := _open_values(metric, labels)):
            self._open.setdefault(metric, set()).add(values)

    def add(self, metric: Metric, *labels: str, value: float = 1) -> None:
        """Add to a counter."""
        bounded = self._bounded(metric, labels)
        super().add(metric, *bounded, value=value)
        self.changed.add((metric, bounded))

    def observe(self, metric: Metric, *labels: str, value: float) -> None:
        """Count one observation of a histogram."""
        super().observe(metric, *labels, value=value)
        self.changed.add((metric, labels))

    def _bounded(self, metric: Metric, labels: Labels) -> Labels:
        if not metric.open_labels:
            return labels
        known = self._open.setdefault(metric, set())
        values = _open_values(metric, labels)
        if values in known or len(known) < MOST_OPEN_LABELS:
            known.add(values)
            return labels
        named = zip(metric.labels, labels, strict=True)
        return tuple(OTHER if name in metric.open_labels else value for name, value in named)


def _open_values(metric: Metric, labels: Labels) -> Labels:
    return tuple(value for name, value in zip(metric.labels, labels, strict=True) if name in metric.open_labels)


class Ledger:
    """The counts of one installation. The client must decode responses.

    `is_current`: it has counted all entries once. Before that, what it has would look like a sudden increase later.
    `batches`: how many it has counted, so that one that has much to catch up with does not look stuck.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = cast("Any", redis)
        self._save = redis.register_script(_source())
        self._positions: dict[str, str] = {}
        self.series = BoundedSeries()
        self.is_current = False
        self.batches = 0

    async def advance(self) -> None:
        """Count the entries that are new. Each time it writes, so that a Redis that takes no writes is noticed.

        Raises `redis.RedisError` or `OSError` when Redis is away; then it goes on later from where it was.
        """
        conflicts = 0
        while conflicts < CONFLICTS:
            stored = await self._synchronise()
            counted = await self._count_batch()
            if not await self._saved(stored):
                conflicts += 1
            elif counted < BATCH:
                self.is_current = True
                return

    async def _synchronise(self) -> dict[str, str]:
        """Take over what Redis has, if that is newer. Returns the positions in Redis, each "" if there is none.

        If it is older, Redis has lost writes in a failover, or everything: then what this process has counted is right.
        """
        fields = await self._redis.hmget(keys.METRICS, list(map(_position_field, STREAMS)))
        stored = {stream: position or "" for stream, position in zip(STREAMS, fields, strict=True)}
        newer = any(_order(stored[stream]) > _order(self._positions.get(stream, START)) for stream in STREAMS)
        if newer or not self._positions:
            self._load(await self._redis.hgetall(keys.METRICS))
            return {stream: "" if self._positions[stream] == START else self._positions[stream] for stream in STREAMS}
        if stored != self._positions:
            self.series.changed.update((metric, labels) for metric, labels, _ in self.series.items())
        return stored

    async def _count_batch(self) -> int:
        """Count the next entries of each stream. Returns how many the one with the most had."""
        most = 0
        for stream in STREAMS:
            entries = await self._next_entries(stream)
            for entry, fields in entries:
                self._count(stream, entry, fields)
            most = max(most, len(entries))
        self.batches += 1
        return most

    async def _saved(self, stored: Mapping[str, str]) -> bool:
        compared = {_position_field(stream): position for stream, position in stored.items()}
        pairs = [part for pair in (*compared.items(), *self._written().items()) for part in pair]
        saved = bool(await self._save(keys=[keys.METRICS], args=[len(compared), *pairs]))
        if saved:
            self.series.changed.clear()
        return saved

    async def _next_entries(self, stream: str) -> list[tuple[str, dict[str, str]]]:
        newest = await self._redis.xrevrange(stream, count=1)
        if newest and _order(newest[0][0]) < _order(self._positions[stream]):
            # Redis has lost the last entries. The next ones may come before them in its clock.
            self._positions[stream] = newest[0][0]
        entries = await self._redis.xrange(stream, min=f"({self._positions[stream]}", count=BATCH)
        if len(entries) == BATCH and self._positions[stream] != START:
            oldest = await self._redis.xrange(stream, count=1)
            if _order(oldest[0][0]) > _order(self._positions[stream]):
                logger.warning("entries were trimmed before they were counted", extra={"stream": stream})
        return cast("list[tuple[str, dict[str, str]]]", entries)

    def _count(self, stream: str, entry: str, fields: Mapping[str, str]) -> None:
        try:
            count_entry(self.series, stream, fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # One of another version, or of somebody else. It must not keep the later ones from being counted.
            problem = type(error).__name__
            logger.warning("entry not counted", extra={"stream": stream, "entry": entry, "problem": problem})
        self._positions[stream] = entry

    def _load(self, stored: Mapping[str, str]) -> None:
        self._positions = {stream: stored.get(_position_field(stream), START) for stream in STREAMS}
        self.series = BoundedSeries()
        for field, text in stored.items():
            if not field.startswith("["):
                continue
            name, *labels = json.loads(field)
            metric = BY_NAME.get(name)
            # A metric of another version, with other labels or buckets, begins anew.
            if metric is None or len(labels) != len(metric.labels):
                continue
            if (value := _value(metric, json.loads(text))) is not None:
                self.series.set(metric, *labels, value=value)

    def _written(self) -> dict[str, str]:
        """Return the fields that have changed, and the positions."""
        fields = {_position_field(stream): self._positions[stream] for stream in STREAMS}
        for metric, labels in self.series.changed:
            value = self.series.get(metric, *labels)
            if value is not None:
                fields[json.dumps([metric.name, *labels], separators=(",", ":"))] = _text(metric, value)
        return fields


def _source() -> str:
    return resources.files(__package__).joinpath("lua", "save_counts.lua").read_text("utf-8")


def _position_field(stream: str) -> str:
    return f"position:{stream}"


def _order(entry: str) -> tuple[int, int]:
    """Return the order of an entry among those of its stream."""
    ms, _, number = entry.partition("-")
    return int(ms or 0), int(number or 0)


def _text(metric: Metric, value: Value) -> str:
    if not isinstance(value, Distribution):
        return json.dumps(value)
    counts = dict(zip((*metric.bounds, INFINITY), value.counts, strict=True))
    return json.dumps({"counts": counts, "total": value.total}, separators=(",", ":"))


def _value(metric: Metric, stored: Any) -> Value | None:
    """Return a stored value, or None if it is one of other buckets."""
    if metric.kind is not Kind.HISTOGRAM:
        return float(stored)
    counts = stored["counts"]
    bounds = [*metric.bounds, INFINITY]
    if set(counts) != set(bounds):
        return None
    return Distribution([int(counts[bound]) for bound in bounds], float(stored["total"]))
