"""The rows that one entry of the stream stands for. Times are unix milliseconds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tasks.rooms import AttemptEnding, CallState, EndedBy, LossCause
from tasks.rooms.records import read_steps

Values = dict[str, Any]
"""A row, by its columns."""

UNKNOWN = "unknown"
"""A provider or a model that its plugin does not name."""
LATEST_MS = 10**14
LARGEST_INT = 2**31 - 1
LARGEST_AMOUNT = 2**53
"""Whole numbers up to it are exact in a float."""
_USAGE = "_usage"
_NAMES = frozenset({"type", "provider", "model"})


class UnreadableEntry(Exception):
    """Raised for an entry that is no record of this version. The message names the field."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one record. `call`: of its call, without what only the record of the call itself knows."""

    entry: str
    call: Values
    is_over: bool = False
    attempt: Values | None = None
    usage: list[Values] = field(default_factory=list)
    failures: list[Values] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, int, int]:
        """The order in which rows are written, the same in every writer, so that none waits for another in a circle."""
        return self.call["sid"], self.call["opened_ms"], self.attempt["attempt"] if self.attempt else LARGEST_INT


def read_entry(entry: str, fields: Mapping[str, str]) -> Rows:
    """Return the rows of an entry. Raises UnreadableEntry."""
    kind = fields.get("kind")
    readers = {"call": _read_call, "attempt": _read_attempt}
    if kind not in readers:
        raise UnreadableEntry(f"kind = {kind!r} is neither call nor attempt")
    try:
        return readers[kind](entry, fields)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        # An entry of somebody else. It must not keep others from being written.
        raise UnreadableEntry(f"{type(error).__name__}: {error}") from error


def _read_call(entry: str, fields: Mapping[str, str]) -> Rows:
    steps = read_steps(fields)
    ended_ms = steps.get("ended")
    return Rows(
        entry,
        is_over=True,
        call={
            **_of_call(entry, fields, steps),
            "state": _word(CallState, fields, "state"),
            "outcome": _text(fields.get("outcome", "")),
            "ended_by": _word(EndedBy, fields, "ended_by") if fields.get("ended_by") else None,
            "public_reason": _text(fields.get("public_reason", "")),
            "attempts": _int(fields, "attempts"),
            "first_claimed_ms": steps.get("first_claimed"),
            "ended_ms": ended_ms,
            "steps": steps,
            "entry": entry,
        },
    )


def _read_attempt(entry: str, fields: Mapping[str, str]) -> Rows:
    steps = read_steps(fields)
    call = _of_call(entry, fields, steps)
    key = {name: call[name] for name in ("sid", "opened_ms", "attempt")}
    claimed_ms = steps.get("claimed")
    ended_ms = steps.get("lost", steps.get("ended", _entry_ms(entry)))
    turns = _json(fields, "turns", dict)
    attempt = {
        **key,
        "tenant": call["tenant"],
        "worker": call["worker"],
        "version": _text(fields.get("version", "")),
        "ending": _word(AttemptEnding, fields, "ending"),
        "cause": _word(LossCause, fields, "cause") if fields.get("cause") else None,
        "reason": _text(fields.get("reason", "")),
        "uncounted": _int(fields, "uncounted"),
        "handed_over": fields.get("handed_over") == "1",
        "first_heard_ms": _ms(fields.get("first_heard")),
        "lost_before_ms": steps.pop("lost_before", None),
        "claimed_ms": claimed_ms,
        "ended_ms": ended_ms,
        "duration_ms": 0 if claimed_ms is None else max(0, ended_ms - claimed_ms),
        "steps": steps,
        "turns": _count(turns.get("turns")),
        "interruptions": _count(turns.get("interruptions")),
        "replies_ms": [_count(ms) for ms in _list(turns.get("replies_ms"))],
        "entry": entry,
    }
    of_attempt = {**key, "tenant": call["tenant"]}
    objects = [each for each in _json(fields, "usage", list) if isinstance(each, dict)]
    return Rows(
        entry, call=call, attempt=attempt, usage=_usage(objects, of_attempt), failures=_failures(objects, of_attempt)
    )


def _of_call(entry: str, fields: Mapping[str, str], steps: Mapping[str, int]) -> Values:
    """Return the columns of the call that both kinds of record have."""
    sid = _text(fields.get("sid", ""))
    if not sid:
        raise UnreadableEntry("sid is empty")
    if any(ms > LATEST_MS for ms in steps.values()):
        raise UnreadableEntry("a step is too late to be a time in ms")
    return {
        "sid": sid,
        # A room that could not be opened has no such step.
        "opened_ms": steps.get("opened", steps.get("ended", _entry_ms(entry))),
        "name": _text(fields.get("name", "")),
        "tenant": _text(fields.get("tenant", "")),
        "tier": _text(fields.get("tier", "")),
        "number": _text(fields.get("number", "")) or None,
        "attempt": _int(fields, "attempt", 0),
        "worker": _text(fields.get("worker", "")),
    }


def _usage(objects: Iterable[Mapping[str, Any]], of_attempt: Values) -> list[Values]:
    """Return a row for each amount. livekit-agents' types and counts that are not known here are taken as they are."""
    amounts: defaultdict[tuple[str, str, str, str], float] = defaultdict(float)
    for each in objects:
        kind = str(each.get("type", ""))
        if not kind.endswith(_USAGE):
            continue
        model = (kind.removesuffix(_USAGE), str(each.get("provider") or UNKNOWN), str(each.get("model") or UNKNOWN))
        for unit, amount in each.items():
            if unit not in _NAMES and _is_amount(amount):
                amounts[*model, unit] += amount
    names = ("kind", "provider", "model", "unit")
    return [
        {**of_attempt, **dict(zip(names, map(_text, key), strict=True)), "amount": amount}
        for key, amount in amounts.items()
    ]


def _failures(objects: Iterable[Mapping[str, Any]], of_attempt: Values) -> list[Values]:
    kinds = {"provider_failure": False, "provider_fallback": True}
    found = [each for each in objects if each.get("type") in kinds]
    return [
        {
            **of_attempt,
            "position": position,
            "fallback": kinds[each["type"]],
            "kind": _text(str(each.get("kind") or UNKNOWN)),
            "provider": _text(str(each.get("provider") or UNKNOWN)),
            "error": _text(str(each.get("error") or "")),
            "times": _count(each.get("count")),
        }
        for position, each in enumerate(found)
    ]


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LARGEST_AMOUNT


def _word(kind: type[StrEnum], fields: Mapping[str, str], name: str) -> str:
    word = fields.get(name, "")
    if word not in set(kind):
        raise UnreadableEntry(f"{name} = {word!r} is none that this version knows")
    return word


def _int(fields: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = fields.get(name, "")
    if not text and default is not None:
        return default
    if not text.isdecimal() or len(text) > len(str(LARGEST_INT)) or int(text) > LARGEST_INT:
        raise UnreadableEntry(f"{name} = {text!r} is no count")
    return int(text)


def _count(value: object) -> int:
    """Return a count from JSON, 0 for anything else."""
    return min(round(value), LARGEST_INT) if _is_amount(value) and isinstance(value, int | float) else 0


def _ms(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and int(text) <= LATEST_MS else None


def _entry_ms(entry: str) -> int:
    return int(entry.partition("-")[0])


def _json(fields: Mapping[str, str], name: str, kind: type[Any]) -> Any:
    text = fields.get(name)
    if not text:
        return kind()
    try:
        # RecursionError: a few thousand brackets.
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableEntry(f"{name} is not JSON") from None
    if not isinstance(value, kind):
        raise UnreadableEntry(f"{name} is JSON of another kind")
    return value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(text: str) -> str:
    """Return what both databases can keep: PostgreSQL has no NUL, and no text has half of a surrogate pair."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
