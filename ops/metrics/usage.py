"""The usage of models and the failures of providers in one attempt, from its record's JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from ops.metrics import catalogue
from ops.metrics.series import Series

UNKNOWN = "unknown"
"""A provider or a model that its plugin does not name."""


def count_usage(series: Series, tier: str, tenant: str, usage: str) -> None:
    """Count the entries of livekit-agents' usage and of `pipeline.failure_log`. Raises ValueError if it is no JSON."""
    for entry in _objects(json.loads(usage)):
        kind = entry.get("type")
        if kind == "provider_failure":
            failed = (_text(entry, "kind"), _text(entry, "provider"), _text(entry, "error"))
            series.add(catalogue.PROVIDER_ERRORS, *failed, value=_number(entry, "count"))
        elif kind == "provider_fallback":
            left = (_text(entry, "kind"), _text(entry, "provider"))
            series.add(catalogue.PROVIDER_FALLBACKS, *left, value=_number(entry, "count"))
        elif kind in {"llm_usage", "stt_usage", "tts_usage"}:
            _count_model(series, tier, tenant, entry)


def _count_model(series: Series, tier: str, tenant: str, entry: dict[str, Any]) -> None:
    labels = (tier, tenant, _text(entry, "provider"), _text(entry, "model"))
    for direction in ("input", "output"):
        if tokens := _number(entry, f"{direction}_tokens"):
            series.add(catalogue.USAGE_TOKENS, *labels, direction, value=tokens)
    if characters := _number(entry, "characters_count"):
        series.add(catalogue.USAGE_CHARACTERS, *labels, value=characters)
    if seconds := _number(entry, "audio_duration"):
        kind = str(entry["type"]).removesuffix("_usage")
        series.add(catalogue.USAGE_AUDIO_SECONDS, *labels, kind, value=seconds)


def _objects(entries: Any) -> Iterator[dict[str, Any]]:
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, dict))


def _text(entry: dict[str, Any], name: str) -> str:
    return str(entry.get(name) or UNKNOWN)


def _number(entry: dict[str, Any], name: str) -> float:
    """Return a number that a counter can grow by: 0 for everything else."""
    value = entry.get(name)
    usable = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return float(value) if usable and value is not None else 0.0
