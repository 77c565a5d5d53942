"""The queries and the responses of the API: calls, usage, concurrency. Times are in UTC."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from tasks.rooms import EndedBy

MOST_CALLS = 200
SID = r"^[A-Za-z0-9_-]{1,64}$"

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


def _moment(value: object) -> object:
    """Return a time as RFC 3339 has it. A plus that was not encoded in the URL has become a space."""
    text = value.replace(" ", "+") if isinstance(value, str) else ""
    if not _MOMENT.fullmatch(text):
        raise ValueError("write it as 2026-11-30T12:00:00Z")
    return datetime.fromisoformat(text.upper())


def _number(value: object) -> object:
    # The same: a number in E.164 begins with a plus.
    return f"+{value[1:]}" if isinstance(value, str) and value.startswith(" ") else value


def _without_control_characters(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("it has a control character")
    return text


StateFilter = Literal["live", "over", "waiting", "queued", "running", "ended", "cancelled", "dead", "refused"]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Text = Annotated[
    str,
    Field(min_length=1, max_length=256, json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f]+$"}),
    AfterValidator(_without_control_characters),
]
Cursor = Annotated[str, Field(pattern=r"^[0-9]{1,15}\.[A-Za-z0-9_-]{1,64}$")]
Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
TenantId = Annotated[Text, Field(description="Only this tenant; a key for several tenants has to name one.")]


class CallQuery(BaseModel):
    """The calls to list: those that match all that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: TenantId | SkipJsonSchema[None] = None
    state: StateFilter | SkipJsonSchema[None] = Field(
        default=None, description="`live`: waiting, queued or running. `over`: all others."
    )
    room: Text | SkipJsonSchema[None] = Field(default=None, description="Name of the room, or its beginning and `*`.")
    number: Annotated[Text, BeforeValidator(_number)] | SkipJsonSchema[None] = Field(
        default=None, description="Telephone number of the caller in E.164, or its beginning and `*`."
    )
    outcome: Text | SkipJsonSchema[None] = Field(
        default=None, description="Outcome of a call that is over: `room empty`."
    )
    ended_by: EndedBy | SkipJsonSchema[None] = None
    since: Moment | SkipJsonSchema[None] = Field(default=None, description="Opened then or later.")
    until: Moment | SkipJsonSchema[None] = Field(default=None, description="Opened before then.")
    cursor: Cursor | SkipJsonSchema[None] = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=MOST_CALLS, description="Most calls of a page.")


class UsageQuery(BaseModel):
    """The period and the tenant of a sum of usage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: TenantId | SkipJsonSchema[None] = None
    month: Month | SkipJsonSchema[None] = Field(default=None, description="In UTC, `2026-11`; this month by default.")


class ConcurrencyQuery(BaseModel):
    """The tenant whose open calls are counted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: TenantId | SkipJsonSchema[None] = None


class UsageAmount(BaseModel):
    """An amount that was used of a model."""

    kind: str = Field(description="`llm`, `stt`, `tts`, …")
    provider: str
    model: str
    unit: str = Field(description="As livekit-agents counts it: `input_tokens`, `characters_count`, `audio_duration`.")
    amount: float


class ProviderFailures(BaseModel):
    """Failures of a provider in one attempt."""

    kind: str
    provider: str
    error: str
    times: int
    fallback: bool = Field(description="Instead: how often the attempt left it for the next provider.")


class Attempt(BaseModel):
    """An attempt at answering a call, which has ended."""

    attempt: int
    ending: str = Field(description="`ended`, `lost`, `handed_over` or `dead`.")
    cause: str | None = Field(description="Of one that is lost: `failed`, `lease expired`, `not its fault`, …")
    handed_over: bool = Field(description="The attempt before it has handed the call over.")
    claimed_at: datetime | None
    ended_at: datetime
    steps: dict[str, datetime]
    turns: int = Field(description="How often the caller has spoken.")
    interruptions: int = Field(description="Replies of the agent that were cut short.")
    replies_ms: list[int] = Field(description="From the end of each turn to the agent's first audio.")
    usage: list[UsageAmount]
    failures: list[ProviderFailures]


class CallSummary(BaseModel):
    """A call."""

    sid: str
    room: str = Field(description="Name of the room; empty if it was erased.")
    tenant_id: str
    tier: str
    state: Literal["waiting", "queued", "running", "ended", "cancelled", "dead", "refused", "unknown"] = Field(
        description="`dead`: nobody could answer it. `refused`: too many calls of its tenant waited. `unknown`: an "
        "attempt has ended, and what has become of the call is not known."
    )
    source: Literal["live", "record"] = Field(
        description="`live`: it is open, or was just over, and this is its state now. `record`: what is kept of it."
    )
    number: str | None = Field(description="Telephone number of the caller; null if there is none, or it was erased.")
    opened_at: datetime
    claimed_at: datetime | None = Field(description="When its first attempt has begun, if one is known.")
    ended_at: datetime | None
    outcome: str | None = Field(
        description="Why it has ended. Null while it is open, and of a dead one, whose reason is the operator's."
    )
    ended_by: str | None = Field(description="`callers`, `agent`, `limit` or `operator`.")
    public_reason: str | None = Field(description="The reason that its callers could read.")
    attempt: int = Field(description="Number of its last attempt; it goes on when a room is opened again.")
    erased_at: datetime | None


class CallPage(BaseModel):
    """A page of calls, the newest first."""

    calls: list[CallSummary]
    next_cursor: str | None = Field(description="For the next page; null if this is the last one.")


class CallDetail(CallSummary):
    """A call, with the attempts that have ended."""

    steps: dict[str, datetime] = Field(description="When its last attempt has reached each step.")
    attempts: list[Attempt]
    usage: list[UsageAmount] = Field(description="The sum over the attempts that have ended.")
    turns: int
    interruptions: int


class CallEnd(BaseModel):
    """The result of a request to end a call."""

    sid: str
    state: Literal["ending", "ended"] = Field(
        description="`ending`: its agent is asked to leave, which takes some seconds. `ended`: it is over."
    )


class CallErasure(BaseModel):
    """The result of a request to erase a call."""

    sid: str
    state: Literal["requested", "erased"] = Field(
        description="`requested`: it is erased within seconds while a console runs. `erased`: it was erased before."
    )


class TenantUsage(BaseModel):
    """The usage of a tenant's calls that were opened in a period."""

    tenant_id: str
    calls: int
    answered: int = Field(description="Calls that an attempt has claimed.")
    seconds: float = Field(description="Time of all attempts, from claim to end.")
    usage: list[UsageAmount]


class UsageReport(BaseModel):
    """Usage in a month: of attempts that have ended, of calls that were opened in it."""

    month: str
    since: datetime
    until: datetime
    tenants: list[TenantUsage]


class TenantConcurrency(BaseModel):
    """The open calls of a tenant now."""

    tenant_id: str
    tier: str
    running: int
    queued: int
    waiting: int
    max_calls: int | None = Field(description="Limit of running and queued calls together; null for none.")


class ConcurrencyReport(BaseModel):
    """Open calls now."""

    tenants: list[TenantConcurrency]
