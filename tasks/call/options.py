"""From a tenant, as declared, and the values of its keys to the frozen options of one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.options import (
    CallLimits,
    CallOptions,
    ProviderOptions,
    Secret,
    TurnOptions,
    VadOptions,
    VoiceAgentOptions,
)
from tasks.errors import TenantInvalid

if TYPE_CHECKING:
    from tasks.rooms import Room
    from tasks.settings import Settings
    from tasks.tenants import ProviderTable, Tenant

T = TypeVar("T", VadOptions, TurnOptions)

# Made once: that takes as long as all the rest of a call's options.
_CHECKS: Mapping[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (VadOptions, TurnOptions)}

ANNOUNCED_MS = 2000


def call_options(
    room: Room, tenant: Tenant, keys: Mapping[str, Secret], settings: Settings, *, claimed_at: float
) -> CallOptions:
    """Everything the call is told. `keys`: see `provider_keys`. Raises TenantInvalid.

    `claimed_at`: when the room was claimed, by `time.monotonic()`.
    """
    return CallOptions(
        room_sid=room.sid,
        room_name=room.name,
        attempt=room.attempt,
        livekit_url=settings.livekit_url,
        livekit_api_key=settings.livekit_api_key,
        livekit_api_secret=Secret(settings.livekit_api_secret.get_secret_value()),
        worker=room.worker,
        agent=tenant.agent or settings.agent,
        agent_metadata=tenant.agent_metadata,
        voice=voice_agent_options(tenant, keys),
        limits=CallLimits(
            join_seconds=settings.join_timeout_seconds,
            empty_grace_seconds=settings.empty_grace_seconds,
            length_seconds=settings.max_call_seconds,
        ),
        announced_at=_announced_at(room, claimed_at),
    )


def _announced_at(room: Room, claimed_at: float) -> float | None:
    claimed = room.steps_ms.get("claimed")
    if room.attempt > 1 or claimed is None:
        return None
    # Both by the clock of Redis.
    waited_ms = claimed - room.arrived_us / 1000
    return claimed_at - waited_ms / 1000 if waited_ms < ANNOUNCED_MS else None


def voice_agent_options(tenant: Tenant, keys: Mapping[str, Secret]) -> VoiceAgentOptions:
    """The tenant's voice agent, with `keys` by their slots.

    What the tenant leaves out has the default of `VoiceAgentOptions`.
    """
    given = {
        "instructions": tenant.instructions,
        "greeting": tenant.greeting,
        "cut_off_phrase": tenant.cut_off_phrase,
        "trouble_phrase": tenant.trouble_phrase,
        "refused_phrase": tenant.refused_phrase,
    }
    return VoiceAgentOptions(
        stt=_provider("stt", tenant.stt, keys),
        llm=_provider("llm", tenant.llm, keys),
        tts=_provider("tts", tenant.tts, keys),
        vad=_tuning(tenant.id, "vad", VadOptions, tenant.vad),
        turn=_tuning(tenant.id, "turn", TurnOptions, tenant.turn),
        **{name: value for name, value in given.items() if value is not None},
    )


def _provider(slot: str, table: ProviderTable, keys: Mapping[str, Secret]) -> ProviderOptions:
    return ProviderOptions(
        name=table.provider,
        model=table.model,
        voice=table.voice,
        language=table.language,
        base_url=table.base_url,
        api_key=keys.get(slot),
        extra=table.extra,
        fallbacks=tuple(
            _provider(f"{slot}.fallbacks.{number}", fallback, keys) for number, fallback in enumerate(table.fallbacks)
        ),
    )


def _tuning(tenant: str, table: str, options: type[T], given: dict[str, Any]) -> T:
    known = [field.name for field in fields(options)]
    for name in given:
        if name not in known:
            problem = f"[{table}] has no option {name!r}; it has {', '.join(known)}"
            raise TenantInvalid(tenant=tenant, problem=problem)
    try:
        checked: T = _CHECKS[options].validate_python(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        problem = f"[{table}] {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise TenantInvalid(tenant=tenant, problem=problem) from None
    return checked
