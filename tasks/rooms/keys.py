"""The names and lifetimes of the Redis keys of rooms. Only this file and the package's docstring spell them."""

from __future__ import annotations

PREFIX = "switchboard:"
ROOMS = f"{PREFIX}rooms"
QUEUED = f"{PREFIX}queued"
LEASES = f"{PREFIX}leases"
DELAYED = f"{PREFIX}delayed"
CALLS = f"{PREFIX}calls"
NOTICE_EVENTS = f"{PREFIX}notice_events"
DEAD = f"{PREFIX}dead"
LEADER = f"{PREFIX}reconciler"
PROBE = f"{PREFIX}probe"
PERMITS = f"{PREFIX}permits"
WAITLIST = f"{PREFIX}waitlist"
ELIGIBLE = f"{PREFIX}eligible"
ADMISSION = f"{PREFIX}admission"
UNANSWERED = f"{PREFIX}unanswered"
NOTIFY = f"{PREFIX}notify"
TENANTLESS = f"{PREFIX}tenantless"
ERASURES = f"{PREFIX}erasures"
WORKERS = f"{PREFIX}worker:"
INSTALLATION = f"{PREFIX}installation"
COUNTERS = f"{PREFIX}counters"
METRICS = f"{PREFIX}metrics"

ROOM_PREFIX = f"{PREFIX}room:"
CONVERSATION_PREFIX = f"{PREFIX}conversation:"
AGENT_METADATA_PREFIX = f"{PREFIX}agent_metadata:"
WEBHOOK_CHECK_PREFIX = f"{PREFIX}webhook_check:"
TRACE_PREFIX = f"{PREFIX}trace:"

STARTED, REPAIRED, TICKED_MS = "started", "repaired", "ticked_ms"
"""Fields of `COUNTERS`: `started:<tier>`, `repaired:<sweep>`, and the time of the leader's last tick."""
RECORDS_LOST, RECORDS_REJECTED = "records_lost", "records_rejected"
"""More fields of it: entries of `CALLS` that were trimmed unwritten, and those that are no record."""
UPLOADED = "uploaded"
"""Fields `uploaded:<kind>:<outcome>`: what agents have sent to the console."""
DATABASE_NAMED = "database_named"
"""A field of `INSTALLATION`, set if the receivers' settings name a database, so that a writer of records is wanted."""
RECORD_WRITERS = "records"
"""The group of `CALLS` that writes the lasting records."""
RECORD_WRITER = f"{PREFIX}record_writer"
RECORD_WRITER_MS = 30 * 1000
"""The time after which a writer of records that was not heard is gone."""

PERMANENT = frozenset(
    {
        *(ROOMS, QUEUED, LEASES, DELAYED, CALLS, NOTICE_EVENTS, DEAD, PERMITS),
        *(WAITLIST, ELIGIBLE, ADMISSION, UNANSWERED, NOTIFY, TENANTLESS, COUNTERS, METRICS),
        ERASURES,
    }
)

OPEN_ROOM_MS = 24 * 3600 * 1000
"""The TTL of an open room; each claim and each renewal starts it again."""
OVER_ROOM_MS = 3600 * 1000
"""The TTL of a room that is over: for so long a late webhook cannot open it a second time."""
REFUSED_ROOM_MS = 60 * 1000
"""The TTL of a room that was refused: long enough to notify its callers, and no longer, as there may be very many."""
CONVERSATION_MS = 3600 * 1000
PROBE_MS = 60 * 1000
AGENT_METADATA_MS = 2 * 3600 * 1000
"""The TTL of the agent's metadata until its room is opened, which takes the room's time to be joined at most."""
WEBHOOK_CHECK_MS = 60 * 1000
TRACE_MS = 60 * 1000
"""The TTL of a trace until its room is opened, which its request and its webhook do within seconds."""
DEAD_LENGTH = 10_000
"""Dead letters kept."""
CALLS_LENGTH = 30_000
"""Records of calls and attempts kept: of 10,000 calls, with two attempts each. One has 1.1 kB, so all have 33 MB."""
NOTICE_EVENTS_LENGTH = 50_000
"""Events kept until notices are made of them, which takes a second while a background worker runs."""

FIXED: dict[str, str | int] = {
    "rooms_key": ROOMS,
    "queued_key": QUEUED,
    "leases_key": LEASES,
    "delayed_key": DELAYED,
    "calls_key": CALLS,
    "notice_events_key": NOTICE_EVENTS,
    "dead_key": DEAD,
    "leader_key": LEADER,
    "probe_key": PROBE,
    "permits_key": PERMITS,
    "waitlist_key": WAITLIST,
    "eligible_key": ELIGIBLE,
    "admission_key": ADMISSION,
    "unanswered_key": UNANSWERED,
    "notify_key": NOTIFY,
    "tenantless_key": TENANTLESS,
    "counters_key": COUNTERS,
    "room_prefix": ROOM_PREFIX,
    "conversation_prefix": CONVERSATION_PREFIX,
    "open_ms": OPEN_ROOM_MS,
    "conversation_ms": CONVERSATION_MS,
    "probe_ms": PROBE_MS,
    "calls_length": CALLS_LENGTH,
    "notice_events_length": NOTICE_EVENTS_LENGTH,
    "dead_length": DEAD_LENGTH,
}
"""The keys and numbers that are the same in every call of a script, by their names in the Lua files."""


def room(sid: str) -> str:
    """Return the key of a room's hash."""
    return f"{ROOM_PREFIX}{sid}"


def conversation(sid: str) -> str:
    """Return the key of the conversation in a room so far."""
    return f"{CONVERSATION_PREFIX}{sid}"


def agent_metadata(name: str) -> str:
    """Return the key of the metadata for the agent of a room that is about to be created, by the room's name."""
    return f"{AGENT_METADATA_PREFIX}{name}"


def webhook_check(name: str) -> str:
    """Return the key of the webhooks noted of a room of `switchboard doctor`, by the room's name."""
    return f"{WEBHOOK_CHECK_PREFIX}{name}"


def trace(name: str) -> str:
    """Return the key of the trace of a room that is about to be created, by the room's name."""
    return f"{TRACE_PREFIX}{name}"


def worker(node: str) -> str:
    """Return the key of a worker's heartbeat, by its Celery node name."""
    return f"{WORKERS}{node}"
