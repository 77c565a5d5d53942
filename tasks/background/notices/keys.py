"""The names and lifetimes of the Redis keys of notices. Only this file and the package's docstring spell them."""

from __future__ import annotations

from tasks.rooms.keys import NOTICE_EVENTS, NOTICE_EVENTS_LENGTH

PREFIX = "switchboard:"
BACKENDS_DUE = f"{PREFIX}notice_backends_due"
BACKENDS_DISABLED = f"{PREFIX}notice_backends_disabled"
COUNTERS = f"{PREFIX}notice_counters"
SCHEDULER = f"{PREFIX}notice_scheduler"
SCHEDULER_MS = 30_000
"""The time after which a scheduler that has not been heard is gone."""

NOTICE_PREFIX = f"{PREFIX}notice:"
QUEUE_PREFIX = f"{PREFIX}notice_queue:"
ATTEMPTS_PREFIX = f"{PREFIX}notice_attempts:"
CALLS_PREFIX = f"{PREFIX}notice_calls:"
LEASES_PREFIX = f"{PREFIX}notice_leases:"
LOG_PREFIX = f"{PREFIX}notice_log:"
DONE_PREFIX = f"{PREFIX}notice_done:"
BACKEND_PREFIX = f"{PREFIX}notice_backend:"

PERMANENT = frozenset({BACKENDS_DUE, BACKENDS_DISABLED, COUNTERS})

KEEP_MS = 7 * 24 * 3600 * 1000
"""The TTL of a notice and of all that belongs to its call or its tenant. A write to a key starts it again."""
DONE_LENGTH = 1000
"""Notices kept of one tenant that are delivered or given up, so that one can see them and send them again."""
FAILURES_TO_PAUSE = 3
"""Failed tries in a row after which a backend gets one at a time, and fewer and fewer."""
LONGEST_PAUSE_MS = 60_000
REVIVAL_MS = 60_000
"""A backend that had failed for so long, and takes a notice, gets at once what waits for a later try."""
MOST_REVIVED = 1000
"""At one try. The next that is delivered goes on with them."""

FIXED: dict[str, str | int] = {
    "notice_events_key": NOTICE_EVENTS,
    "notice_events_length": NOTICE_EVENTS_LENGTH,
    "backends_due_key": BACKENDS_DUE,
    "backends_disabled_key": BACKENDS_DISABLED,
    "counters_key": COUNTERS,
    "notice_prefix": NOTICE_PREFIX,
    "queue_prefix": QUEUE_PREFIX,
    "calls_prefix": CALLS_PREFIX,
    "leases_prefix": LEASES_PREFIX,
    "log_prefix": LOG_PREFIX,
    "done_prefix": DONE_PREFIX,
    "backend_prefix": BACKEND_PREFIX,
    "keep_ms": KEEP_MS,
    "done_length": DONE_LENGTH,
    "failures_to_pause": FAILURES_TO_PAUSE,
    "longest_pause_ms": LONGEST_PAUSE_MS,
    "revival_ms": REVIVAL_MS,
    "most_revived": MOST_REVIVED,
}
"""The keys and numbers that are the same in every call of a script, by their names in the Lua files."""


def notice(notice_id: str) -> str:
    """Return the key of a notice's hash."""
    return f"{NOTICE_PREFIX}{notice_id}"


def queue(sid: str) -> str:
    """Return the key of the notices of a call that are not delivered yet, in their order."""
    return f"{QUEUE_PREFIX}{sid}"


def attempts(sid: str) -> str:
    """Return the key of the records of a call's attempts, kept until the call is over."""
    return f"{ATTEMPTS_PREFIX}{sid}"


def calls(tenant: str) -> str:
    """Return the key of the calls of a tenant that have notices to send, by the time of their next try."""
    return f"{CALLS_PREFIX}{tenant}"


def leases(tenant: str) -> str:
    """Return the key of the calls of a tenant whose notice is being sent, by the time until when nobody else tries."""
    return f"{LEASES_PREFIX}{tenant}"


def log(tenant: str) -> str:
    """Return the key of all notices of a tenant that are kept, by the time they were made."""
    return f"{LOG_PREFIX}{tenant}"


def done(tenant: str) -> str:
    """Return the key of those that are delivered or given up, by the time when."""
    return f"{DONE_PREFIX}{tenant}"


def backend(tenant: str) -> str:
    """Return the key of the state of a tenant's backend."""
    return f"{BACKEND_PREFIX}{tenant}"
