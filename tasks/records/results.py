"""The results of `RecordStore`: frozen, typed, and without a connection behind them. Times are unix milliseconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.rooms import AttemptEnding, CallState, EndedBy, LossCause


@dataclass(frozen=True, slots=True)
class UsageLine:
    """An amount that was used of a model. `kind`: `llm`, `stt`, `tts`, `interruption` or `eot`.

    `unit`: the name that livekit-agents counts it under: `input_tokens`, `output_tokens`, `characters_count`,
    `audio_duration` (in seconds), …: docs/reference/records.md. Parts of a count, such as `input_cached_tokens`, are
    lines of their own and in the whole too.
    """

    kind: str
    provider: str
    model: str
    unit: str
    amount: float


@dataclass(frozen=True, slots=True)
class ProviderProblem:
    """Failures of a provider in one attempt. `fallback`: instead, how often the attempt left it for the next one."""

    kind: str
    provider: str
    error: str
    times: int
    fallback: bool


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """An attempt that has ended, with its part of the usage. `steps_ms`: step -> unix ms, in their order.

    `claimed_ms`: None where it is not known. `handed_over`: the attempt before it handed the call over.
    `first_heard_ms`: when an attempt before it was heard first. `lost_before_ms`: when the attempt before it ended.
    """

    attempt: int
    worker: str
    version: str
    ending: AttemptEnding
    cause: LossCause | None
    reason: str
    uncounted: int
    handed_over: bool
    first_heard_ms: int | None
    lost_before_ms: int | None
    claimed_ms: int | None
    ended_ms: int
    steps_ms: dict[str, int]
    turns: int
    interruptions: int
    replies_ms: tuple[int, ...]
    usage: tuple[UsageLine, ...]
    problems: tuple[ProviderProblem, ...]


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call as a list shows it. `sid` and `opened_ms` together name it, as a room may be opened again.

    `state`: None while only attempts of it have ended; then the room is still open, or Redis has forgotten it.
    `attempts`: how many have claimed it, None as long as `state` is. `attempt`, `worker`: of the last one so far.
    `number`: of the caller by telephone. `name`, `number`: "" and None once the call was erased (`erased_ms`).
    """

    sid: str
    opened_ms: int
    name: str
    tenant: str
    tier: str
    number: str | None
    state: CallState | None
    outcome: str
    ended_by: EndedBy | None
    public_reason: str
    attempts: int | None
    attempt: int
    worker: str
    first_claimed_ms: int | None
    ended_ms: int | None
    erased_ms: int | None


@dataclass(frozen=True, slots=True)
class CallPage:
    """A page of calls, the newest first. `next_cursor`: for the page after it, None if this is the last one."""

    calls: tuple[StoredCall, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class CallDetails:
    """A call with its attempts, in their order. `steps_ms`: of the call and its last attempt; {} while it is open."""

    call: StoredCall
    steps_ms: dict[str, int]
    attempts: tuple[StoredAttempt, ...]

    @property
    def usage(self) -> tuple[UsageLine, ...]:
        """The usage of the call: the sum over its attempts."""
        return add_up(line for attempt in self.attempts for line in attempt.usage)

    @property
    def turns(self) -> int:
        """The caller's turns, over all attempts."""
        return sum(attempt.turns for attempt in self.attempts)

    @property
    def interruptions(self) -> int:
        """Replies of the agent that were cut short, over all attempts."""
        return sum(attempt.interruptions for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """The usage of a tenant's calls that were opened in a period.

    `calls`: all of them, `answered`: those that an attempt has claimed. `seconds`: the time of all attempts, from claim
    to end. `tenant`: "" for rooms that could not be opened.
    """

    tenant: str
    calls: int
    answered: int
    seconds: float
    lines: tuple[UsageLine, ...]


def add_up(lines: Iterable[UsageLine]) -> tuple[UsageLine, ...]:
    """Return one line for each kind, provider, model and unit, sorted."""
    amounts: defaultdict[tuple[str, str, str, str], float] = defaultdict(float)
    for line in lines:
        amounts[line.kind, line.provider, line.model, line.unit] += line.amount
    return tuple(UsageLine(*key, amount) for key, amount in sorted(amounts.items()))
