"""From a tenant, as declared, to the frozen options of one call. Keys are read here, in the child that runs it."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
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
from tasks.errors import KeyUnreadable, TenantInvalid

if TYPE_CHECKING:
    from tasks.rooms import Room
    from tasks.settings import Settings
    from tasks.tenants import ProviderTable, Tenant

T = TypeVar("T", VadOptions, TurnOptions)


def call_options(room: Room, tenant: Tenant, settings: Settings) -> CallOptions:
    """Everything the call is told. Raises TenantInvalid or KeyUnreadable."""
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
        voice=voice_agent_options(tenant),
        limits=CallLimits(
            join_seconds=settings.join_timeout_seconds,
            empty_grace_seconds=settings.empty_grace_seconds,
            length_seconds=settings.max_call_seconds,
        ),
    )


def voice_agent_options(tenant: Tenant) -> VoiceAgentOptions:
    """The tenant's voice agent; what the tenant leaves out has the default of `VoiceAgentOptions`."""
    given = {
        "instructions": tenant.instructions,
        "greeting": tenant.greeting,
        "cut_off_phrase": tenant.cut_off_phrase,
        "trouble_phrase": tenant.trouble_phrase,
        "refused_phrase": tenant.refused_phrase,
    }
    return VoiceAgentOptions(
        stt=_provider(tenant.id, "stt", tenant.stt),
        llm=_provider(tenant.id, "llm", tenant.llm),
        tts=_provider(tenant.id, "tts", tenant.tts),
        vad=_tuning(tenant.id, "vad", VadOptions, tenant.vad),
        turn=_tuning(tenant.id, "turn", TurnOptions, tenant.turn),
        **{name: value for name, value in given.items() if value is not None},
    )


def _provider(tenant: str, place: str, table: ProviderTable) -> ProviderOptions:
    return ProviderOptions(
        name=table.provider,
        model=table.model,
        voice=table.voice,
        language=table.language,
        base_url=table.base_url,
        api_key=None if table.key is None else _key(tenant, f"[{place}] key", table.key),
        extra=table.extra,
        fallbacks=tuple(
            _provider(tenant, f"{place}.fallbacks.{number}", fallback)
            for number, fallback in enumerate(table.fallbacks)
        ),
    )


def _key(tenant: str, field: str, reference: str) -> Secret:
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        value = os.environ.get(place, "")
        problem = f"the environment variable {place} is not set in the worker"
    else:
        try:
            value = Path(place).read_text("utf-8").strip()
            problem = f"the file {place} is empty"
        except OSError as error:
            raise KeyUnreadable(tenant=tenant, field=field, problem=f"{place}: {error.strerror}") from error
    if not value:
        raise KeyUnreadable(tenant=tenant, field=field, problem=problem)
    return Secret(value)


def _tuning(tenant: str, table: str, options: type[T], given: dict[str, Any]) -> T:
    known = [field.name for field in fields(options)]
    for name in given:
        if name not in known:
            problem = f"[{table}] has no option {name!r}; it has {', '.join(known)}"
            raise TenantInvalid(tenant=tenant, problem=problem)
    try:
        return TypeAdapter(options).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        problem = f"[{table}] {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise TenantInvalid(tenant=tenant, problem=problem) from None
