"""The groups of settings, each with the environment variable, the default and the bounds of its fields."""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationInfo, field_validator

from tasks.settings import capacity
from tasks.settings.capacity import MOST_SLOTS
from tasks.settings.environment import Group, pairs
from tasks.settings.redis_url import RedisUrl

FERNET_KEY_BYTES = 32
LIVEKIT_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
"""The schemes of a LiveKit server's address, each with the one that clients use: they speak WebSocket to it."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
RENEWALS = 2.4
"""Renewals of a lease within its TTL, at least: one may be lost, and the next one comes before the lease expires."""
LEAST_TTL_MS = 500
BACKGROUND_QUEUE = "background"
"""The queue of background workers, beside those of the tiers."""


class RedisSettings(Group):
    """Redis: the broker, and the state of the rooms."""

    url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), validation_alias="REDIS_URL")
    sentinel_master: str = Field("mymaster", min_length=1, validation_alias="SWITCHBOARD_SENTINEL_MASTER")
    """The Sentinels' name for the master, if `url` names Sentinels."""
    sentinel_password: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_SENTINEL_PASSWORD")
    """The password of the Sentinels themselves, if they have one; that of Redis is in `url`."""
    deadline_seconds: float = Field(2.0, gt=0, validation_alias="SWITCHBOARD_REDIS_DEADLINE_SECONDS")
    """The time that Redis has to answer a receiver. After it the receiver answers 503, and LiveKit delivers again."""

    @cached_property
    def server(self) -> RedisUrl:
        """`url`, parsed."""
        return RedisUrl.parse(self.url.get_secret_value())

    @field_validator("url")
    @classmethod
    def _usable(cls, value: SecretStr) -> SecretStr:
        RedisUrl.parse(value.get_secret_value())
        return value


class LivekitSettings(Group):
    """The LiveKit server and its API keys."""

    url: str = Field("ws://127.0.0.1:7880", validation_alias="LIVEKIT_URL")
    api_key: str = Field(validation_alias="LIVEKIT_API_KEY")
    api_secret: SecretStr = Field(validation_alias="LIVEKIT_API_SECRET")
    webhook_keys: dict[str, SecretStr] = Field({}, validation_alias="SWITCHBOARD_WEBHOOK_KEYS")
    """More API keys whose webhooks are accepted, `key:secret,key:secret`, for rotation."""
    public_url: str | None = Field(None, validation_alias="SWITCHBOARD_PUBLIC_LIVEKIT_URL")
    """The address of the server for callers; `url` if not set."""
    deadline_seconds: float = Field(3.0, gt=0, validation_alias="SWITCHBOARD_ROOM_DEADLINE_SECONDS")
    """The time that the server has to answer a receiver that creates a call. After it the receiver answers 503."""

    @property
    def signing_keys(self) -> dict[str, str]:
        """API key -> secret, of every key whose webhooks are accepted."""
        more = {key: secret.get_secret_value() for key, secret in self.webhook_keys.items()}
        return more | {self.api_key: self.api_secret.get_secret_value()}

    @field_validator("url", "public_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else _livekit_address(value)

    @field_validator("webhook_keys", mode="before")
    @classmethod
    def _key_and_secret(cls, value: object) -> object:
        return pairs(value, ":") if isinstance(value, str) else value


class ReceiverSettings(Group):
    """The receivers: the requests that they accept."""

    webhook_max_bytes: int = Field(1 << 20, gt=0, validation_alias="SWITCHBOARD_WEBHOOK_MAX_BYTES")
    api_keys: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_API_KEYS")
    """API keys for `POST /calls`, beside those of `switchboard keys`: see `tasks.tenants.api_keys`."""
    ignore_rooms: str = Field("*-human-agent", validation_alias="SWITCHBOARD_IGNORE_ROOMS")
    """Patterns of names, `meeting-*,*-human-agent`: such rooms get no agent. The default is the second room of
    livekit-agents' warm transfer, where a person is asked whether to take the call."""
    agent_names: str | None = Field(None, validation_alias="SWITCHBOARD_AGENT_NAMES")
    """Names of agents, `inbound,outbound`: a room for which LiveKit was asked to dispatch one of them gets a tenant's
    agent, with the metadata of that dispatch. A room that asks for another one is left to LiveKit."""
    calls_per_second: float = Field(20.0, gt=0, validation_alias="SWITCHBOARD_CALLS_PER_SECOND")
    """Calls that each API key, and each tenant, may request of one receiver, in the long run."""
    calls_burst: int = Field(100, gt=0, validation_alias="SWITCHBOARD_CALLS_BURST")
    """Calls that it may request at once."""
    api_docs: bool = Field(default=False, validation_alias="SWITCHBOARD_API_DOCS")

    @cached_property
    def ignored_rooms(self) -> tuple[str, ...]:
        """The patterns of the names of rooms that get no agent."""
        return _listed(self.ignore_rooms)

    @cached_property
    def answered_agents(self) -> frozenset[str]:
        """The names of the agents in whose stead a tenant's agent comes."""
        return frozenset(_listed(self.agent_names or ""))


class AfterWait(StrEnum):
    """The action on a room that was not answered within its tier's longest wait."""

    END = "end"
    GO_ON = "go on"


class TierSettings(Group):
    """The tiers, their queues, and the limits under which their rooms are queued."""

    queues: dict[str, str] = Field(
        default_factory=lambda: {tier: tier for tier in ("premium", "standard", "free")},
        validation_alias="SWITCHBOARD_TIERS",
    )
    """Tier -> queue. `premium,standard` names each queue after its tier; `premium=q1,standard=q2` does not."""
    caps: dict[str, PositiveInt] = Field({}, validation_alias="SWITCHBOARD_TIER_CAPS")
    """Tier -> the calls that may be queued or run at once, `premium=50,free=5`. No limit for the others."""
    queued_per_tenant: int = Field(2, gt=0, validation_alias="SWITCHBOARD_QUEUED_PER_TENANT")
    """The rooms of a tenant that may be queued and unclaimed at once; more wait until one is claimed."""
    waiting_per_tenant: int = Field(1000, ge=0, validation_alias="SWITCHBOARD_WAITING_PER_TENANT")
    """The rooms of a tenant that may wait for a permit at once; more are refused. A tenant's own limit may be lower."""
    max_wait_seconds: dict[str, PositiveFloat] = Field({}, validation_alias="SWITCHBOARD_MAX_WAIT_SECONDS")
    """Tier -> the longest time without an answer, `premium=30,free=120`. No limit for the others."""
    after_wait: dict[str, AfterWait] = Field({}, validation_alias="SWITCHBOARD_AFTER_WAIT")
    """Tier -> the action then, `premium=go on,free=end`; `end` in those that are not named."""
    promise_seconds: dict[str, PositiveFloat] = Field({}, validation_alias="SWITCHBOARD_TIER_PROMISE_SECONDS")
    """Tier -> the wait that its callers are promised at most, `premium=5,standard=20`, for metrics and alerts alone."""

    def most_waiting(self, of_tenant: int | None) -> int:
        """Return how many rooms of a tenant may wait, which has this limit of its own."""
        return self.waiting_per_tenant if of_tenant is None else min(of_tenant, self.waiting_per_tenant)

    @property
    def names(self) -> frozenset[str]:
        """All tiers."""
        return frozenset(self.queues)

    @cached_property
    def queue_names(self) -> tuple[str, ...]:
        """Every queue, each once, in the order of the tiers."""
        return tuple(dict.fromkeys(self.queues.values()))

    @field_validator("queues", mode="before")
    @classmethod
    def _queues(cls, value: object) -> object:
        return pairs(value, "=", alone=True) if isinstance(value, str) else value

    @field_validator("queues")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        if not value:
            raise ValueError("there is no tier in it")
        # The name of a queue is a key in Redis, so it must not be another one's.
        if not all(re.fullmatch(r"[A-Za-z0-9][\w.-]*", name) for name in (*value, *value.values())):
            raise ValueError("the name of a tier or a queue has letters, digits, '-', '_' and '.' alone")
        if BACKGROUND_QUEUE in value.values():
            raise ValueError(f"{BACKGROUND_QUEUE!r} is the queue of background workers; name another: tier=queue")
        return value

    @field_validator("caps", "max_wait_seconds", "after_wait", "promise_seconds", mode="before")
    @classmethod
    def _known_tiers(cls, value: object, info: ValidationInfo) -> object:
        by_tier = pairs(value, "=") if isinstance(value, str) else value
        if (tiers := info.data.get("queues")) is None:
            return by_tier
        if isinstance(by_tier, dict) and (unknown := by_tier.keys() - tiers):
            raise ValueError(f"there is no tier {min(unknown)!r}; the tiers are {', '.join(tiers)}")
        return by_tier


class LeaseSettings(Group):
    """The lease of a running call, and the attempts at answering it."""

    ttl_ms: int = Field(6000, ge=LEAST_TTL_MS, validation_alias="SWITCHBOARD_LEASE_TTL_MS")
    renew_ms: int = Field(2500, gt=0, validate_default=True, validation_alias="SWITCHBOARD_LEASE_RENEW_MS")
    outage_seconds: float = Field(30.0, ge=0, validation_alias="SWITCHBOARD_REDIS_OUTAGE_SECONDS")
    """The time that a running call goes on while Redis is away and its lease cannot be renewed."""
    max_attempts: int = Field(5, gt=0, validation_alias="SWITCHBOARD_MAX_ATTEMPTS")

    @field_validator("renew_ms")
    @classmethod
    def _well_within_ttl(cls, value: int, info: ValidationInfo) -> int:
        ttl_ms = info.data.get("ttl_ms")
        if ttl_ms is not None and value * RENEWALS > ttl_ms:
            raise ValueError(f"it is at most SWITCHBOARD_LEASE_TTL_MS / {RENEWALS}, {ttl_ms / RENEWALS:.0f}")
        return value


class WorkerSettings(Group):
    """The workers: how many calls they take, and how they stop."""

    slots: int | None = Field(None, gt=0, le=MOST_SLOTS, validation_alias="SWITCHBOARD_SLOTS")
    """The calls at one time, at most. If it is not set, load, memory and open files are the limits."""
    spares: int = Field(2, gt=0, le=MOST_SLOTS, validation_alias="SWITCHBOARD_SPARES")
    """The idle children that are ready for the next calls, at least; there are more when calls have taken the last."""
    call_memory_mb: float = Field(64.0, ge=0, validation_alias="SWITCHBOARD_CALL_MEMORY_MB")
    """The memory that has to be free for a call, before a child is started for it; 0 for no such limit."""
    load_threshold: float = Field(0.7, gt=0, le=1, validation_alias="SWITCHBOARD_LOAD_THRESHOLD")
    load_window_seconds: float = Field(2.5, gt=0, validation_alias="SWITCHBOARD_LOAD_WINDOW_SECONDS")
    load_file: Path | None = Field(None, validation_alias="SWITCHBOARD_LOAD_FILE")
    """A file with one number, read instead of the CPU load: a fraction of all cores."""
    call_cores: float = Field(0.25, ge=0, validation_alias="SWITCHBOARD_CALL_CORES")
    """The part of a core that is reserved for a call that starts, until its worker has learned what calls use."""
    drain_seconds: float = Field(300.0, ge=0, validation_alias="SWITCHBOARD_DRAIN_SECONDS")
    """The time that the calls of a worker that stops may go on there before they are handed over to another."""
    preload_extras: str = Field("all", validation_alias="SWITCHBOARD_PRELOAD_EXTRAS")
    """The extras whose plugins a worker imports before its first call, `google,groq`, of those that are installed."""

    @property
    def slot_limit(self) -> int:
        """The calls at one time, at most, on this host."""
        return self.slots or capacity.slot_limit()


class AfterLimit(StrEnum):
    """The action on a room whose call a limit of ours has ended, or that could not be answered."""

    DELETE = "delete"
    LEAVE = "leave"


class CallSettings(Group):
    """The calls: their agent, how long they last, and what their callers are told at the end."""

    agent: str = Field("pipeline.voice_agent:entrypoint", validation_alias="SWITCHBOARD_AGENT")
    """The agent of a tenant that names none, as `module:function` or `module:server`."""
    join_timeout_seconds: float = Field(60.0, gt=0, validation_alias="SWITCHBOARD_JOIN_TIMEOUT_SECONDS")
    empty_grace_seconds: float = Field(5.0, ge=0, validation_alias="SWITCHBOARD_EMPTY_GRACE_SECONDS")
    max_seconds: float = Field(3600.0, gt=0, validation_alias="SWITCHBOARD_MAX_CALL_SECONDS")
    after_limit: AfterLimit = Field(AfterLimit.DELETE, validation_alias="SWITCHBOARD_AFTER_LIMIT")
    """The action on a room that was ended by a limit or is a dead letter, once its callers could read why."""
    notice_seconds: float = Field(3.0, ge=0, validation_alias="SWITCHBOARD_NOTICE_SECONDS")
    """The time that callers have to read why, before that."""
    prewarm_seconds: float = Field(60.0, ge=1, validation_alias="SWITCHBOARD_PREWARM_SECONDS")
    """The time for what precedes a call: reading the tenant and its keys, importing and prewarming its agent."""
    request_seconds: float = Field(10.0, gt=0, validation_alias="SWITCHBOARD_REQUEST_SECONDS")
    """The time for the agent's request hook."""
    connect_seconds: float = Field(10.0, gt=0, validation_alias="SWITCHBOARD_CONNECT_SECONDS")
    """The time from the begin of the agent's entrypoint until it is in the room."""
    shutdown_seconds: float = Field(10.0, gt=0, validation_alias="SWITCHBOARD_SHUTDOWN_SECONDS")
    """The time for the end of the session and the agent's shutdown callbacks, when the call is over."""
    hang_seconds: float = Field(15.0, gt=0, validation_alias="SWITCHBOARD_HANG_SECONDS")
    """The time that the call's event loop may stand still, blocked by the agent, before another attempt takes over."""
    livekit_away_seconds: float = Field(8.0, gt=0, validation_alias="SWITCHBOARD_LIVEKIT_AWAY_SECONDS")
    """The time that an agent may be without its connection to the LiveKit server, before another attempt takes over."""
    memory_warn_mb: float = Field(1000.0, ge=0, validation_alias="SWITCHBOARD_CALL_MEMORY_WARN_MB")
    """The memory of a call's processes at which the log warns; 0 for never."""
    memory_limit_mb: float = Field(0.0, ge=0, validation_alias="SWITCHBOARD_CALL_MEMORY_LIMIT_MB")
    """The memory of a call's processes at which it is handed over to a fresh child; 0 for no limit."""


class TelephoneSettings(Group):
    """Calls by telephone, which Twilio announces and sends on by SIP."""

    twilio_auth_tokens: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_TWILIO_AUTH_TOKENS")
    """The auth tokens of Twilio's accounts, `AC…=token,AC…=token`: see `webhooks.twilio_accounts`."""
    busy_phrase: str | None = Field(None, validation_alias="SWITCHBOARD_TELEPHONE_BUSY_PHRASE")
    """Said to a caller by telephone whose call nobody has answered; a busy tone if not set."""
    public_url: str | None = Field(None, pattern=r"^https?://[^\s?#]+$", validation_alias="SWITCHBOARD_PUBLIC_URL")
    """The address of the receivers for Twilio, as written in Twilio's console, up to the path."""
    sip_uri: str | None = Field(
        None,
        pattern=r"^sips?:[A-Za-z0-9.:\[\]-]+(;[A-Za-z0-9=;.-]+)?$",
        validation_alias="SWITCHBOARD_SIP_URI",
    )
    """The SIP address for calls by telephone, `sip:sip.example.com;transport=tcp`, without a user."""
    sip_username: str | None = Field(None, validation_alias="SWITCHBOARD_SIP_USERNAME")
    sip_password: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_SIP_PASSWORD")


class TenantSettings(Group):
    """The tenants: the default one, and where their provider keys come from."""

    default: str | None = Field(None, validation_alias="SWITCHBOARD_DEFAULT_TENANT")
    wait_seconds: float = Field(5.0, ge=0, validation_alias="SWITCHBOARD_TENANT_WAIT_SECONDS")
    """The time that a room without a tenant has to get one, before it is a dead letter."""
    encryption_keys: SecretStr | None = Field(None, min_length=1, validation_alias="SWITCHBOARD_ENCRYPTION_KEYS")
    """Fernet keys, `key,key`: the first encrypts, all decrypt. Derived from the LiveKit secret if not set."""
    key_source: str | None = Field(None, validation_alias="SWITCHBOARD_KEY_SOURCE")
    """The source of keys that are not in Redis, as `module:attribute`: see `tasks.tenants.key_source`."""

    @field_validator("encryption_keys")
    @classmethod
    def _fernet_keys(cls, value: SecretStr | None) -> SecretStr | None:
        # At the start of each process, and not in the first call that has something to encrypt.
        for key in [] if value is None else value.get_secret_value().split(","):
            if not _is_fernet_key(key.strip()):
                raise ValueError("each key is 32 bytes in URL-safe base64, with a comma between two")
        return value

    @field_validator("key_source")
    @classmethod
    def _module_and_attribute(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.]+:\w+", value):
            raise ValueError("write it as module:attribute")
        return value


class FlowerSettings(Group):
    """Flower, the dashboard. Other processes do not read them."""

    user: str = Field("operator", pattern=r"^[^:]+$", validation_alias="SWITCHBOARD_FLOWER_USER")
    password: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_FLOWER_PASSWORD")
    cookie_secret: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_FLOWER_COOKIE_SECRET")
    """The key that signs the cookies of an OAuth login, the same for all copies of Flower; a new one if not set."""
    client_secret: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_FLOWER_CLIENT_SECRET")
    """The secret of Flower as a client of the single sign-on's provider."""


class MetricsSettings(Group):
    """The metrics of the exporter."""

    by_tenant: bool = Field(default=False, validation_alias="SWITCHBOARD_METRICS_BY_TENANT")
    """Usage is shown for each tenant: as many series as there are tenants, for each provider and model."""


class LogSettings(Group):
    """The log of every process."""

    level: str = Field("INFO", validation_alias="SWITCHBOARD_LOG_LEVEL")

    @field_validator("level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in LEVELS:
            raise ValueError(f"it is one of {', '.join(LEVELS)}")
        return value.upper()


class TraceSettings(Group):
    """The spans of a call, where OpenTelemetry's own variables say that they are exported."""

    allow_pii: bool = Field(default=False, validation_alias="LIVEKIT_TELEMETRY_ALLOW_PII")
    """With what was said, prompts, and the names of rooms and participants."""


def _livekit_address(url: str) -> str:
    scheme, separated, _ = url.partition("://")
    if not separated or scheme.lower() not in LIVEKIT_SCHEMES:
        raise ValueError("it begins with ws:// or wss://")
    if re.search(r"\s", url):
        raise ValueError("there is a space in it")
    parts = urlsplit(url)
    try:
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("write it as ws://host:port or wss://host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("it has a host, a port and a path alone")
    return parts._replace(scheme=LIVEKIT_SCHEMES[scheme.lower()]).geturl()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == FERNET_KEY_BYTES
    except ValueError:
        return False
