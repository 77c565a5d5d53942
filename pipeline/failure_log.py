"""The failures of a call's providers, counted for its record, and the one that ended its session."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from pipeline.options import Kind

REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})
"""The provider does not accept the tenant's key or account."""

WEBSOCKET_CODES = 1000
"""The lowest close code of a websocket; HTTP statuses are below."""

logger = logging.getLogger("switchboard.pipeline.providers")


@dataclass(slots=True)
class FailureLog:
    """The failures of one call.

    `counted`: how often each occurred, by `(kind, index among its fallbacks, provider, error)`. `error` is the HTTP
    status, or the exception's name where there is none. `left`: how often the call left a provider for the next one.
    `fatal`: the exception that ended the agent's session, set by the agent. `sid`: the room's, for the log.
    """

    sid: str = ""
    counted: Counter[tuple[Kind, int, str, str]] = field(default_factory=Counter)
    left: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    fatal: Exception | None = None
    _last_status: dict[tuple[Kind, int], int | None] = field(default_factory=dict)

    def watch(self, kind: Kind, index: int, name: str, provider: Any) -> None:
        """Count and log each failure of a provider. `index`: 0 for the first one, then its fallbacks in their order."""
        provider.on("error", partial(self._record, kind, index, name))

    def all_refused(self, kind: Kind, providers: int) -> bool:
        """Tell whether each of so many providers refused its key or account when it was last asked."""
        return all(self._last_status.get((kind, index)) in REFUSED for index in range(providers))

    def leave(self, kind: Kind, name: str) -> None:
        """Note that the call leaves a provider for the next one."""
        self.left[kind, name] += 1

    def records(self) -> list[dict[str, Any]]:
        """Return an entry for each failure and each fallback, for the call's record, beside the usage of its models."""
        failures: list[dict[str, Any]] = [
            {"type": "provider_failure", "kind": kind, "index": index, "provider": name, "error": error, "count": count}
            for (kind, index, name, error), count in self.counted.items()
        ]
        fallbacks: list[dict[str, Any]] = [
            {"type": "provider_fallback", "kind": kind, "provider": name, "count": count}
            for (kind, name), count in self.left.items()
        ]
        return failures + fallbacks

    def _record(self, kind: Kind, index: int, name: str, event: Any) -> None:
        cause = getattr(event, "error", event)
        status = status_of(cause)
        self._last_status[kind, index] = status
        error = str(status) if status else type(cause).__name__
        self.counted[kind, index, name, error] += 1
        refused = status in REFUSED
        logger.log(
            logging.ERROR if refused else logging.WARNING,
            "a provider refused its key" if refused else "a provider failed",
            extra={"sid": self.sid, "kind": kind, "index": index, "provider": name, "error": error},
        )


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error or one of its causes carries, or None."""
    while error is not None:
        status = getattr(error, "status_code", None)
        # Some plugins put a websocket's close code there, or -1.
        if isinstance(status, int) and HTTPStatus.CONTINUE <= status < WEBSOCKET_CODES:
            return status
        error = error.__cause__
    return None


def in_one_line(error: Any) -> str:
    """Describe an error of a session's, or its event, in one line."""
    if error is None:
        return "unknown error"
    cause = getattr(error, "error", error)
    kind = getattr(error, "type", "error").replace("_", " ")
    return " ".join(f"{kind}: {cause}".split())
