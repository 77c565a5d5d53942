"""The metrics of the exporter: names, kinds, labels and meanings. docs/reference/metrics.md shows the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

INFINITY = "+Inf"


class Kind(StrEnum):
    """The kind of a metric, as Prometheus calls it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric. `help`: its meaning in one sentence.

    `buckets`: the upper bounds of a histogram, without infinity. `open_labels`: labels whose values come from agents or
    providers, so that their number has to be bounded.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    open_labels: tuple[str, ...] = ()

    @property
    def bounds(self) -> list[str]:
        """The upper bounds, as Prometheus writes them."""
        return [str(float(bound)) for bound in self.buckets]


def _gauge(name: str, labels: str, text: str) -> Metric:
    return Metric(f"switchboard_{name}", Kind.GAUGE, tuple(labels.split()), text)


def _counter(name: str, labels: str, text: str, *, open_labels: str = "") -> Metric:
    return Metric(
        f"switchboard_{name}_total", Kind.COUNTER, tuple(labels.split()), text, (), tuple(open_labels.split())
    )


def _histogram(name: str, text: str, *buckets: float) -> Metric:
    return Metric(f"switchboard_{name}", Kind.HISTOGRAM, ("tier",), text, buckets)


BUILD_INFO = _gauge("build_info", "version livekit_agents", "1, with the versions of Switchboard and livekit-agents.")
REDIS_UP = _gauge("redis_up", "", "1 if Redis has answered all that this scrape asked, and takes writes; else 0.")

WORKER_BUSY_SLOTS = _gauge("worker_busy_slots", "worker", "Slots with a call.")
WORKER_IDLE_SLOTS = _gauge("worker_idle_slots", "worker", "Spares: prewarmed children that could take a call.")
WORKER_SLOT_LIMIT = _gauge(
    "worker_slot_limit", "worker", "Calls that the worker can have at one time, with the memory that is free now."
)
WORKER_LOAD = _gauge("worker_load_ratio", "worker", "Busy share of the cores that the worker may use, 0 to 1.")
WORKER_RESERVED = _gauge(
    "worker_reserved_ratio", "worker", "Share of these cores that is reserved for calls just started, 0 to 1."
)
WORKER_INTAKE = _gauge(
    "worker_intake", "worker state", "1 for the state that the worker's intake gate is in, 0 for the others."
)
WORKER_QUEUE = _gauge("worker_queue", "worker queue", "1 for each queue that the worker takes calls from.")
WORKER_LATE_RENEWALS = _counter(
    "worker_late_renewals",
    "worker",
    "Leases that were renewed after more than two intervals, since the worker started.",
)

QUEUE_MESSAGES = _gauge("queue_messages", "queue", "Messages of queued rooms that no worker has taken.")
QUEUE_WORKERS = _gauge("queue_workers", "queue", "Workers that take calls from the queue and do not drain.")
QUEUE_IDLE_SLOTS = _gauge("queue_idle_slots", "queue", "Spares of the queue's workers whose intake gate is open.")

ROOMS = _gauge("rooms", "tier state", "Open rooms: waiting for a permit, queued, or running.")
OLDEST_WAIT = _gauge("oldest_wait_seconds", "tier", "Longest time that a room without an agent has waited; 0 if none.")
TIER_PROMISE = _gauge(
    "tier_promise_seconds",
    "tier",
    "Wait that the callers of a tier are promised at most, by SWITCHBOARD_TIER_PROMISE_SECONDS.",
)

CALLS_STARTED = _counter("calls_started", "tier", "Calls whose room was opened.")
CALLS_ENDED = _counter("calls_ended", "tier outcome", "Calls that are over.")
ATTEMPTS_ENDED = _counter("attempts_ended", "tier ending", "Attempts that had claimed a room and are over.")
CALLS_RECOVERED = _counter(
    "calls_recovered", "tier", "Losses after which another attempt was in the room; counted when that attempt is over."
)
DEAD_LETTERS = _counter("dead_letters", "tier kind", "Dead letters: rooms that could not be answered.")
PROVIDER_ERRORS = _counter(
    "provider_errors", "kind provider error", "Failures of providers in calls.", open_labels="provider error"
)
PROVIDER_FALLBACKS = _counter(
    "provider_fallbacks",
    "kind provider",
    "Times that a call left a provider for a fallback.",
    open_labels="provider",
)

CLAIM_SECONDS = _histogram(
    "call_claim_seconds",
    "Seconds from queued to claimed, of each attempt.",
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
FIRST_AUDIO_SECONDS = _histogram(
    "call_first_audio_seconds",
    "Seconds from room_started to the first audio of an agent, of each call that was heard.",
    *(0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60),
)
CALL_SECONDS = _histogram(
    "call_seconds",
    "Seconds from the first claim to the end, of each call that was claimed.",
    *(10, 30, 60, 120, 300, 600, 1200, 1800, 3600),
)
REPLY_SECONDS = _histogram(
    "call_reply_seconds",
    "Seconds from the end of a caller's turn to the first audio of the agent's reply.",
    *(0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 5, 10),
)
INTERRUPTIONS = _histogram(
    "call_interruptions", "Times that callers have interrupted the agent, of each attempt.", 0, 1, 2, 3, 5, 10, 20
)
GAP_SECONDS = _histogram(
    "call_gap_seconds",
    "Seconds without an agent: from the loss that was noticed to the join of the next attempt.",
    *(0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60),
)

RECONCILER_UP = _gauge("reconciler_up", "", "1 while a receiver leads the reconcilers, else 0.")
RECONCILER_LAST_TICK = _gauge(
    "reconciler_last_tick_timestamp_seconds", "", "Unix time of the last tick that a leader has finished."
)
RECONCILER_REPAIRS = _counter("reconciler_repairs", "sweep", "Things that a sweep of the reconciler has repaired.")

RECORDS_UNWRITTEN = _gauge(
    "records_unwritten_seconds", "", "Age of the oldest record that is not in the database; 0 if all are."
)
RECORDS_KEPT = _gauge("records_kept_seconds", "", "Age of the oldest record in the stream.")
RECORDS_IN_STREAM = _gauge("records_in_stream", "", "Records in the stream, which keeps the last 30,000.")
RECORDS_LOST = _counter("records_lost", "", "Records, or gaps of them, that were trimmed before they were written.")
RECORDS_REJECTED = _counter("records_rejected", "", "Entries of the stream that are no record, kept aside.")

USAGE_CALL_SECONDS = _counter("usage_call_seconds", "tier tenant", "Seconds that agents have had calls.")
USAGE_TOKENS = _counter(
    "usage_tokens", "tier tenant provider model direction", "Tokens of models.", open_labels="provider model"
)
USAGE_CHARACTERS = _counter(
    "usage_characters", "tier tenant provider model", "Characters that were spoken.", open_labels="provider model"
)
USAGE_AUDIO_SECONDS = _counter(
    "usage_audio_seconds",
    "tier tenant provider model kind",
    "Seconds of audio that were transcribed (stt) or spoken (tts).",
    open_labels="provider model",
)

NOTICE_EVENTS = _gauge("notice_events", "", "Events of calls of which no notice to a backend was made yet.")
NOTICE_OLDEST_EVENT = _gauge("notice_oldest_event_seconds", "", "Age of the oldest of these; 0 if there is none.")
NOTICE_BACKENDS_DISABLED = _gauge(
    "notice_backends_disabled", "", "Backends of tenants that are disabled, and so get no notices."
)
NOTICE_TRIES = _counter("notice_tries", "result", "Tries to send a notice, delivered or failed.")
NOTICES = _counter("notices", "outcome", "Notices that are delivered, given up, or dropped because too many waited.")

UPLOADS = _counter("uploads", "kind outcome", "Uploads of agents to the console.")
ERASURES_WAITING = _gauge(
    "erasures_waiting", "", "Calls that backends have asked to erase, and that no console has erased yet."
)

METRICS = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))
"""All of them, in the order of this file."""
BY_NAME = {metric.name: metric for metric in METRICS}

CALL_OUTCOMES = ("answered", "abandoned", "dead", "refused")
ATTEMPT_ENDINGS = ("ended", "lost", "handed_over", "dead")
DEAD_LETTER_KINDS = ("tenant", "wait", "attempts", "unanswerable")
UPLOAD_KINDS = ("recordings", "traces", "logs", "metrics")
NOTICE_RESULTS = ("delivered", "failed")
NOTICE_OUTCOMES = ("delivered", "given_up", "dropped")
ROOM_STATES = ("waiting", "queued", "running")
NO_TIER = "none"
"""The tier of a room whose tenant was never known."""
