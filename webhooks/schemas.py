"""The bodies of POST /calls: what is asked for, and what is answered."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

METADATA_BYTES = 16 << 10

# As agents are called: a caller of an agent's identity would throw it out of the room.
_AGENTS = "agent-"


def _no_agent(identity: str) -> str:
    if identity.startswith(_AGENTS):
        msg = f"an identity that begins with {_AGENTS} is an agent's"
        raise ValueError(msg)
    return identity


def _small(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if "tenant_id" in metadata:
        msg = "tenant_id is put there by the receiver"
        raise ValueError(msg)
    try:
        written = json.dumps(metadata, allow_nan=False)
    except ValueError:
        msg = "it holds a number that JSON does not have"
        raise ValueError(msg) from None
    if len(written) > METADATA_BYTES:
        msg = f"it is longer than {METADATA_BYTES} bytes"
        raise ValueError(msg)
    return metadata


Identity = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_no_agent)
]
# To JSON Schema 600.0 is a whole number.
Seconds = Annotated[
    int, BeforeValidator(lambda given: int(given) if isinstance(given, float) and given.is_integer() else given)
]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_small)]


class CallWanted(BaseModel):
    """A call that is asked for."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"tenant_id": "acme", "identity": "customer-42", "metadata": {"order": 1017}}],
        },
    )

    tenant_id: str = Field(min_length=1, max_length=64, description="Whose agent answers.")
    identity: Identity | None = Field(
        default=None,
        description="The caller's identity in the room, which nothing else there has; made up if left out. "
        "It does not begin with `agent-`.",
    )
    name: str = Field("", max_length=128, description="The caller's name, as others in the room see it.")
    metadata: Metadata = Field(
        default_factory=dict,
        description="For the agent, in the room's metadata beside `tenant_id`, which it cannot hold itself. "
        "Everybody in the room can read it. At most 16 KiB as JSON.",
    )
    token_ttl_seconds: Seconds = Field(600, ge=60, le=3600, description="How long the caller may take to join.")


class CallMade(BaseModel):
    """Where the caller joins."""

    url: str = Field(description="The LiveKit server.")
    room: str
    sid: str
    identity: str
    token: str = Field(description="Lets its bearer into this room, and nothing else. Keep it from logs.")
    expires_at: AwareDatetime = Field(description="Until when the token lets somebody join.")
