"""The counters and histograms that one entry of a stream adds to: a call, an attempt, or a dead letter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

from ops.metrics import catalogue
from ops.metrics.catalogue import NO_TIER
from ops.metrics.series import Series
from ops.metrics.usage import count_usage
from tasks.rooms import keys

Fields = Mapping[str, str]


def count_entry(series: Series, stream: str, fields: Fields) -> None:
    """Count one entry. Raises KeyError, TypeError or ValueError if it is not readable."""
    if stream == keys.DEAD:
        series.add(catalogue.DEAD_LETTERS, _tier(fields), fields.get("kind") or "unanswerable")
    elif fields["kind"] == "call":
        _count_call(series, fields)
    elif fields["kind"] == "attempt":
        _count_attempt(series, fields)


def _count_call(series: Series, fields: Fields) -> None:
    tier = _tier(fields)
    series.add(catalogue.CALLS_ENDED, tier, _outcome(fields))
    _observe(series, catalogue.CALL_SECONDS, fields, "first_claimed", "ended")


def _count_attempt(series: Series, fields: Fields) -> None:
    tier = _tier(fields)
    series.add(catalogue.ATTEMPTS_ENDED, tier, fields["ending"])
    _observe(series, catalogue.CLAIM_SECONDS, fields, "queued", "claimed")
    if "first_heard" not in fields:
        # What LiveKit calls the start of the room is long ago in one that was opened again.
        began = "room_started" if fields["attempt"] == "1" else "opened"
        _observe(series, catalogue.FIRST_AUDIO_SECONDS, fields, began, "first_audio")
    if "at:lost_before" in fields and "at:joined" in fields and fields.get("handed_over") != "1":
        series.add(catalogue.CALLS_RECOVERED, tier)
        _observe(series, catalogue.GAP_SECONDS, fields, "lost_before", "joined")
    _count_turns(series, tier, fields.get("turns") or "{}")
    tenant = fields.get("tenant", "")
    seconds = _seconds(fields, "claimed", "lost" if "at:lost" in fields else "ended")
    if seconds is not None:
        series.add(catalogue.USAGE_CALL_SECONDS, tier, tenant, value=seconds)
    count_usage(series, tier, tenant, fields.get("usage") or "[]")


def _count_turns(series: Series, tier: str, turns: str) -> None:
    counted = json.loads(turns)
    for reply_ms in counted.get("replies_ms", ()):
        series.observe(catalogue.REPLY_SECONDS, tier, value=max(0.0, float(reply_ms) / 1000))
    if "interruptions" in counted:
        series.observe(catalogue.INTERRUPTIONS, tier, value=int(counted["interruptions"]))


def _outcome(fields: Fields) -> str:
    """Return an outcome of few: the record's own is a sentence."""
    state = fields["state"]
    if state in {"dead", "refused"}:
        return state
    return "answered" if int(fields.get("attempts", "0")) > 0 else "abandoned"


def _tier(fields: Fields) -> str:
    return fields.get("tier") or NO_TIER


def _observe(series: Series, metric: catalogue.Metric, fields: Fields, *steps: str) -> None:
    seconds = _seconds(fields, *steps)
    if seconds is not None:
        series.observe(metric, _tier(fields), value=seconds)


def _seconds(fields: Fields, *steps: str) -> float | None:
    """Return the seconds between two steps, or None if one was not reached. Never below 0: clocks may differ."""
    ms = [fields.get(f"at:{step}", "") for step in steps]
    if not all(each.isdecimal() for each in ms):
        return None
    ((began, ended),) = pairwise(map(int, ms))
    return max(0, ended - began) / 1000
