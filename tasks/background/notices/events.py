"""From an event of a call to the notice of it: its type, and its data as the backend gets it.

A backend is another company's. It is told what its callers met with, and nothing of the installation: no worker, and of
a call that could not be answered the public reason alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tasks.background.notices.notice import TEST, Notice
from tasks.rooms import AttemptRecord, CallRecord, CallState
from tasks.tenants.notices_table import NoticeType

ATTEMPT, CALL = "attempt", "call"
"""Kinds of events: the records of an attempt and of a call."""
TYPES = {"started": NoticeType.STARTED, "waiting": NoticeType.WAITING, "recovered": NoticeType.RECOVERED}
ENDED = frozenset({CallState.ENDED, CallState.CANCELLED})


class NewNotice(NamedTuple):
    """A notice to be made of an event. `type`: a NoticeType, or TEST."""

    type: str
    data: dict[str, Any]
    occurred_ms: int


def attempt_of(entry: str, event: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of a call's record that an attempt has left. Raises KeyError or ValueError where it is none."""
    record = AttemptRecord.read(entry, event)
    return {
        "attempt": record.attempt,
        "ending": record.ending.value,
        "cause": record.cause.value if record.cause else "",
        "steps": record.steps_ms,
        "turns": json.loads(record.turns),
        "usage": json.loads(record.usage),
    }


def notice_of(entry: str, event: Mapping[str, str], attempts: Sequence[Mapping[str, Any]]) -> NewNotice:
    """Return the notice of an event. `attempts`: of its call, if that is over.

    Raises KeyError or ValueError where the event is none of this version.
    """
    occurred_ms = int(entry.partition("-")[0])
    if event["kind"] == TEST:
        return NewNotice(TEST, {"tenant": event["tenant"]}, occurred_ms)
    data: dict[str, Any] = {
        "sid": event["sid"],
        "room": event.get("name", ""),
        "tenant": event["tenant"],
        "tier": event.get("tier", ""),
        "attempt": int(event.get("attempt", "0")),
    }
    if event["kind"] != CALL:
        return NewNotice(TYPES[event["kind"]], data, occurred_ms)
    record = CallRecord.read(entry, event)
    is_ended = record.state in ENDED
    data["record"] = {
        "state": record.state.value,
        "outcome": record.outcome if is_ended else "",
        "ended_by": record.ended_by.value if record.ended_by else "",
        "public_reason": record.public_reason,
        "steps": record.steps_ms,
        "attempts": list(attempts),
        "usage": sum_usage(entry for attempt in attempts for entry in attempt["usage"]),
    }
    return NewNotice(NoticeType.ENDED if is_ended else NoticeType.FAILED, data, occurred_ms)


def sum_usage(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each provider and model: the sums of what is counted in theirs."""
    sums: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for entry in entries:
        names = {name: value for name, value in entry.items() if not _is_number(value)}
        identity = tuple(sorted((name, str(value)) for name, value in names.items()))
        total = sums.setdefault(identity, dict(names))
        for name, value in entry.items():
            if _is_number(value):
                total[name] = total.get(name, 0) + value
    return list(sums.values())


def body_of(notice: Notice, contents: Mapping[str, Any]) -> str:
    """Return the body of a notice. `contents`: what its data has beside what is kept of it."""
    occurred = datetime.fromtimestamp(notice.occurred_ms / 1000, UTC).isoformat(timespec="milliseconds")
    content = {
        "type": notice.type,
        "timestamp": occurred.replace("+00:00", "Z"),
        "data": {**notice.data, **contents},
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
