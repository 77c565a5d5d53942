"""All that was seen in a history, in the order of time: callers, agents, faults, and the processes' log lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from ops.stack.process import ManagedProcess
from tests.campaign.checker import Violation
from tests.campaign.observations import Event, Observations

LEVELS = frozenset({"INFO", "WARNING", "ERROR", "CRITICAL"})
QUIET_LOGGERS = ("uvicorn", "celery.worker.strategy", "celery.app.trace")
TEXT_LENGTH = 300
TRACE_LINES = 6


class LogReader:
    """The lines that processes write to their logs from now on."""

    def __init__(self, processes: Sequence[ManagedProcess]) -> None:
        self._from = [(part, part.log.stat().st_size if part.log.exists() else 0) for part in processes]

    def events(self, seen: Observations) -> Iterable[Event]:
        """Yield a line of each log as an event; other lines than JSON at the time of the one before."""
        for part, offset in self._from:
            if part.name in {"redis", "haproxy", "links", "tenants"} or not part.log.exists():
                continue
            at = 0.0
            with part.log.open(encoding="utf-8", errors="replace") as log:
                log.seek(offset)
                for line in log:
                    event = _event(part.name, line, seen, at)
                    if event is not None:
                        at = event.at
                        yield event


def render(seen: Observations, violations: Sequence[Violation], logs: LogReader, rooms: Sequence[str]) -> str:
    """Return the story of a history: its violations, its plan, what was seen, and its rooms as Redis has them."""
    acts = [Event(act.at, act.room, f"agent, attempt {act.attempt}: {act.act} {act.call}") for act in seen.acts]
    events = sorted([*seen.events, *acts, *logs.events(seen)], key=lambda event: event.at)
    lines = [f"history {seen.history.number} of seed {seen.history.seed}", *map(str, violations), ""]
    lines += [f"{room.plan.name} is {room.name}" for room in seen.rooms]
    lines += ["", seen.history.to_json(), ""]
    lines += [f"{event.at:8.2f}  {event.subject:<14} {event.text}" for event in events]
    return "\n".join([*lines, "", *rooms]) + "\n"


def _event(part: str, line: str, seen: Observations, last: float) -> Event | None:
    text = line.strip()
    if not text:
        return None
    try:
        fields = json.loads(text)
        level = str(fields.pop("level", "")).upper()
        # livekit-server has seconds in `ts`.
        at = datetime.fromisoformat(fields.pop("at")).timestamp() if "at" in fields else float(fields.pop("ts"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Event(last, part, text[:TEXT_LENGTH])
    if level not in LEVELS or str(fields.get("logger", "")).startswith(QUIET_LOGGERS) or part == "livekit-server":
        return None
    fields.pop("logger", None)
    if trace := fields.pop("error", None):
        fields["error"] = " | ".join(str(trace).strip().splitlines()[-TRACE_LINES:])
    message = fields.pop("message", fields.pop("msg", ""))
    rest = " ".join(f"{name}={value}" for name, value in fields.items())
    return Event(seen.clock.of_unix(at), part, f"{level} {message} {rest}"[: 2 * TEXT_LENGTH])
