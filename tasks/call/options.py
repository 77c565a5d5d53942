"""The frozen options of one call, from its room, its tenant as declared, and the tenant's provider keys."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from pipeline.options import (
    CallLimits,
    CallOptions,
    ProviderOptions,
    RecordOptions,
    Secret,
    TurnOptions,
    VadOptions,
    VoiceAgentOptions,
)
from tasks.encryption import DecryptionFailed, Encryption, agent_metadata_owner
from tasks.errors import AgentMetadataUnreadable, TenantInvalid
from tasks.tenants.tenant import Part

if TYPE_CHECKING:
    from tasks.rooms import Room
    from tasks.settings import Settings
    from tasks.tenants import ProviderTable, Tenant

T = TypeVar("T", VadOptions, TurnOptions)

# Built once: building one takes as long as all the rest of a call's options.
_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (VadOptions, TurnOptions)}

logger = logging.getLogger("switchboard.tasks.call")

ANNOUNCED_MS = 2000
"""A room announced less than this before its claim is joined without asking the LiveKit server for it."""


def call_options(
    room: Room, tenant: Tenant, keys: Mapping[str, Secret], settings: Settings, *, claimed_at: float
) -> CallOptions:
    """Return the options of the room's call. Raises TenantInvalid and AgentMetadataUnreadable.

    `keys`: see `provider_keys`. `claimed_at`: the time of the claim, by `time.monotonic()`.
    """
    announced_at = _announced_at(room, claimed_at)
    return CallOptions(
        room_sid=room.sid,
        room_name=room.name,
        attempt=room.attempt,
        livekit_url=settings.livekit.url,
        livekit_api_key=settings.livekit.api_key,
        livekit_api_secret=Secret(settings.livekit.api_secret.get_secret_value()),
        worker=room.worker,
        agent_metadata=_agent_metadata(room, settings) or tenant.agent_metadata,
        voice=voice_agent_options(tenant, keys),
        limits=CallLimits(
            join_seconds=settings.call.join_timeout_seconds,
            empty_grace_seconds=settings.call.empty_grace_seconds,
            length_seconds=settings.call.max_seconds,
            livekit_away_seconds=settings.call.livekit_away_seconds,
        ),
        record=record_options(tenant, settings),
        announced_at=announced_at,
    )


def record_options(tenant: Tenant, settings: Settings) -> RecordOptions:
    """Return the parts of the tenant's calls that are recorded: none where there is no console to upload them to."""
    wanted = {part: part in tenant.record for part in get_args(Part)}
    # What was said is in none of the parts then.
    redaction = tenant.redact or not (wanted["audio"] or wanted["transcript"])
    if settings.recordings.console_url is None:
        if tenant.record:
            logger.error("call not recorded: set SWITCHBOARD_CONSOLE_URL", extra={"tenant": tenant.id})
        return RecordOptions()
    return RecordOptions(**wanted, redaction=redaction, upload_seconds=settings.recordings.upload_seconds)


def _agent_metadata(room: Room, settings: Settings) -> str:
    """Return the metadata that the call was requested with, or "". Not the tenant's if that cannot be decrypted."""
    if not room.agent_metadata:
        return ""
    try:
        owner = agent_metadata_owner(room.name)
        return Encryption.of_agent_metadata(settings).decrypt(owner, room.agent_metadata.encode())
    except DecryptionFailed as error:
        raise AgentMetadataUnreadable from error


def _announced_at(room: Room, claimed_at: float) -> float | None:
    claimed = room.steps_ms.get("claimed")
    if room.attempt > 1 or claimed is None:
        return None
    # Both are by the clock of Redis.
    waited_ms = claimed - room.arrived_us / 1000
    return claimed_at - waited_ms / 1000 if waited_ms < ANNOUNCED_MS else None


def voice_agent_options(tenant: Tenant, keys: Mapping[str, Secret]) -> VoiceAgentOptions:
    """Return the options of the tenant's voice agent. What the tenant leaves out keeps its default.

    `keys`: by the path of their table.
    """
    texts = {
        "instructions": tenant.instructions,
        "greeting": tenant.greeting,
        "cut_off_phrase": tenant.cut_off_phrase,
        "trouble_phrase": tenant.trouble_phrase,
        "refused_phrase": tenant.refused_phrase,
        "recording_phrase": tenant.recording_phrase,
    }
    return VoiceAgentOptions(
        stt=_provider("stt", tenant.stt, keys),
        llm=_provider("llm", tenant.llm, keys),
        tts=_provider("tts", tenant.tts, keys),
        vad=_tuning(tenant.id, "vad", VadOptions, tenant.vad),
        turn=_tuning(tenant.id, "turn", TurnOptions, tenant.turn),
        **{name: value for name, value in texts.items() if value is not None},
    )


def _provider(path: str, table: ProviderTable, keys: Mapping[str, Secret]) -> ProviderOptions:
    return ProviderOptions(
        name=table.provider,
        model=table.model,
        voice=table.voice,
        language=table.language,
        base_url=table.base_url,
        api_key=keys.get(path),
        extra=table.extra,
        fallbacks=tuple(
            _provider(f"{path}.fallbacks.{index}", fallback, keys) for index, fallback in enumerate(table.fallbacks)
        ),
    )


def _tuning(tenant: str, table: str, options: type[T], values: dict[str, Any]) -> T:
    known = [field.name for field in fields(options)]
    for name in values:
        if name not in known:
            problem = f"[{table}] has no option {name!r}; it has {', '.join(known)}"
            raise TenantInvalid(tenant=tenant, problem=problem)
    try:
        validated: T = _ADAPTERS[options].validate_python(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        problem = f"[{table}] {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise TenantInvalid(tenant=tenant, problem=problem) from None
    return validated
