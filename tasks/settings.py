"""Settings: read once from the environment, frozen, passed in.

Each field may instead be given as a file: `LIVEKIT_API_SECRET_FILE=/run/secrets/livekit_api_secret` reads that file.
"""

from __future__ import annotations

import base64
import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AliasChoices,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from tasks import cpu
from tasks.errors import InvalidSetting
from tasks.sentinel_url import SCHEME, Sentinels

SLOTS_PER_CORE = 4
FERNET_KEY_BYTES = 32
SCHEMES = ("redis", "rediss", SCHEME)


class AfterWait(StrEnum):
    """What happens to a room that nobody has answered for as long as its tier allows."""

    END = "end"
    GO_ON = "go on"


class QueueSettings(BaseSettings):
    """What a process needs that only looks at queues and rooms, such as Flower or `switchboard ps`: no keys."""

    model_config = SettingsConfigDict(env_prefix="SWITCHBOARD_", frozen=True, extra="ignore")

    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), validation_alias=AliasChoices("redis_url"))
    sentinel_master: str = Field("mymaster", min_length=1)
    """What the Sentinels call the master, if `redis_url` names Sentinels."""
    sentinel_password: SecretStr | None = None
    """The password of the Sentinels themselves, if they have one; that of Redis is in `redis_url`."""
    redis_deadline_seconds: float = Field(2.0, gt=0)
    """How long the receiver waits for Redis before it answers 503, so that LiveKit delivers the webhook again."""
    tiers: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=lambda: {tier: tier for tier in ("premium", "standard", "free")},
    )
    """Tier -> queue. `premium,standard` names each queue after its tier; `premium=q1,standard=q2` does not."""
    slots: int = Field(default_factory=lambda: round(SLOTS_PER_CORE * cpu.available().cores) or 1, gt=0)
    log_level: str = "INFO"

    @classmethod
    def read(cls) -> Self:
        """From the environment. Raises InvalidSetting, which names the variable and the cure."""
        try:
            return cls()
        except ValidationError as error:
            raise _invalid(error) from None

    @cached_property
    def queues(self) -> tuple[str, ...]:
        """Every queue, each once, in the order of the tiers."""
        return tuple(dict.fromkeys(self.tiers.values()))

    @cached_property
    def sentinels(self) -> Sentinels | None:
        """Where to ask for the master; None if `redis_url` is that of a Redis itself."""
        url = self.redis_url.get_secret_value()
        return Sentinels.read(url) if url.startswith(f"{SCHEME}://") else None

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        scheme = url.partition("://")[0]
        if scheme not in SCHEMES:
            cure = f"it begins with {', '.join(f'{each}://' for each in SCHEMES[:-1])} or {SCHEMES[-1]}://"
            raise InvalidSetting(name="REDIS_URL", value="***", cure=cure)
        if scheme == SCHEME:
            try:
                Sentinels.read(url)
            except ValueError as error:
                raise InvalidSetting(name="REDIS_URL", value="***", cure=str(error)) from None
        return value

    @field_validator("tiers", mode="before")
    @classmethod
    def _tiers(cls, value: object) -> object:
        return _mapping("SWITCHBOARD_TIERS", value, separator="=", alone=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over files."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _FileSource(settings_cls)


class Settings(QueueSettings):
    """How this installation runs. Times are in the unit that the field's name ends with."""

    livekit_url: str = Field("ws://127.0.0.1:7880", validation_alias=AliasChoices("livekit_url"))
    livekit_api_key: str = Field(validation_alias=AliasChoices("livekit_api_key"))
    livekit_api_secret: SecretStr = Field(validation_alias=AliasChoices("livekit_api_secret"))

    webhook_keys: Annotated[dict[str, SecretStr], NoDecode] = Field(default_factory=dict)
    """More API keys whose webhooks are accepted, `key:secret,key:secret`, for rotation."""
    webhook_max_bytes: int = Field(1 << 20, gt=0)

    default_tenant: str | None = None
    agent: str = "pipeline.voice_agent:entrypoint"
    """The agent of a tenant that names none, as `module:function` or `module:server`."""

    preload_extras: str = "all"
    """The extras whose plugins a worker imports before its first call, `google,groq`, of those that are installed."""

    load_threshold: float = Field(0.7, gt=0, le=1)
    load_window_seconds: float = Field(2.5, gt=0)
    load_file: Path | None = None
    """A file holding one number, read instead of the CPU load: a fraction of all cores."""
    call_cores: float = Field(0.25, ge=0)
    """What a call that starts is expected to use of a core, until its worker has learned what calls really cost."""

    lease_ttl_ms: int = Field(6000, gt=0)
    lease_renew_ms: int = Field(2000, gt=0)
    redis_outage_seconds: float = Field(30.0, ge=0)
    """How long a running call goes on while Redis is away and its lease cannot be renewed."""
    max_attempts: int = Field(5, gt=0)
    drain_seconds: float = Field(300.0, ge=0)
    """How long the calls of a worker that stops may go on there before they are handed over to another."""
    encryption_keys: SecretStr | None = None
    """Fernet keys, `key,key`: the first encrypts, all decrypt. Derived from the LiveKit secret if not set."""
    key_source: str | None = None
    """Where keys are that are not in Redis, as `module:attribute`: see `tasks.tenants.key_source`."""

    public_livekit_url: str | None = None
    """Where callers reach the LiveKit server; `livekit_url` if not set."""
    room_deadline_seconds: float = Field(3.0, gt=0)
    """How long a receiver that makes a call waits for the LiveKit server before it answers 503."""
    api_keys: SecretStr | None = None
    """Who may `POST /calls`, and for which tenants: see `webhooks.api_keys`. Nobody if not set."""
    api_docs: bool = False
    public_url: str | None = Field(None, pattern=r"^https?://[^\s?#]+$")
    """Where Twilio reaches the receivers, as it is written in Twilio's console, up to the path."""
    twilio_auth_tokens: SecretStr | None = None
    """Twilio's auth tokens, `token,token`: a request that is signed with any of them is accepted."""
    sip_uri: str | None = Field(None, pattern=r"^sips?:[A-Za-z0-9.:\[\]-]+(;[A-Za-z0-9=;.-]+)?$")
    """Where calls by telephone are sent to: `sip:sip.example.com;transport=tcp`, without a user."""
    sip_username: str | None = None
    sip_password: SecretStr | None = None

    tier_caps: Annotated[dict[str, PositiveInt], NoDecode] = Field(default_factory=dict)
    """Tier -> how many of its calls may be queued or run at once, `premium=50,free=5`. No limit for the others."""
    queued_per_tenant: int = Field(2, gt=0)
    """How many rooms of a tenant may be in a queue that no worker has taken yet; more wait until one is taken."""
    max_wait_seconds: Annotated[dict[str, PositiveFloat], NoDecode] = Field(default_factory=dict)
    """Tier -> how long a room may be without an answer, `premium=30,free=120`. For ever in the others."""
    after_wait: Annotated[dict[str, AfterWait], NoDecode] = Field(default_factory=dict)
    """Tier -> what happens then, `premium=go on,free=end`; `end` in those that are not named."""

    join_timeout_seconds: float = Field(60.0, gt=0)
    empty_grace_seconds: float = Field(5.0, ge=0)
    max_call_seconds: float = Field(3600.0, gt=0)

    @property
    def signing_keys(self) -> dict[str, str]:
        """API key -> secret of every key whose webhooks are accepted."""
        more = {key: secret.get_secret_value() for key, secret in self.webhook_keys.items()}
        return more | {self.livekit_api_key: self.livekit_api_secret.get_secret_value()}

    @field_validator("tier_caps", "max_wait_seconds", "after_wait", mode="before")
    @classmethod
    def _by_tier(cls, value: object, info: ValidationInfo) -> object:
        name = f"SWITCHBOARD_{str(info.field_name).upper()}"
        pairs = _mapping(name, value, separator="=", alone=False)
        tiers = info.data.get("tiers", {})
        if isinstance(pairs, dict) and (unknown := pairs.keys() - tiers):
            cure = f"there is no tier {min(unknown)!r}; the tiers are {', '.join(tiers)}"
            raise InvalidSetting(name=name, value=value, cure=cure)
        return pairs

    @field_validator("webhook_keys", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        return _mapping("SWITCHBOARD_WEBHOOK_KEYS", value, separator=":", alone=False)

    @field_validator("encryption_keys")
    @classmethod
    def _fernet_keys(cls, value: SecretStr | None) -> SecretStr | None:
        # At the start of each process, and not in the first call that has something to encrypt.
        for key in [] if value is None else value.get_secret_value().split(","):
            if not _is_fernet_key(key.strip()):
                cure = "each key is 32 bytes in URL-safe base64, with a comma between two"
                raise InvalidSetting(name="SWITCHBOARD_ENCRYPTION_KEYS", value="***", cure=cure)
        return value

    @field_validator("key_source")
    @classmethod
    def _module_and_attribute(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.]+:\w+", value):
            raise InvalidSetting(name="SWITCHBOARD_KEY_SOURCE", value=value, cure="write it as module:attribute")
        return value


class _FileSource(PydanticBaseSettingsSource):
    """`NAME_FILE` in the environment is the path of a file that holds NAME, as container secrets are given."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [f"SWITCHBOARD_{field_name}"]
        key = field_name if alias is None else str(names[0])
        for name in names:
            variable = f"{name}_FILE".upper()
            path = os.environ.get(variable)
            if path:
                try:
                    return Path(path).read_text(encoding="utf-8").strip(), key, False
                except OSError as error:
                    raise InvalidSetting(name=variable, value=path, cure=error.strerror) from error
        return None, key, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


def _invalid(error: ValidationError) -> InvalidSetting:
    first = error.errors(include_input=False, include_url=False)[0]
    field = str(first["loc"][0])
    name = field.upper() if field.startswith(("livekit_", "redis_url")) else f"SWITCHBOARD_{field.upper()}"
    # What was given may be a secret, so the message shows none of it.
    given = "***" if first["type"] != "missing" else "(not set)"
    return InvalidSetting(name=name, value=given, cure=first["msg"])


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == FERNET_KEY_BYTES
    except ValueError:
        return False


def _mapping(name: str, value: object, *, separator: str, alone: bool) -> object:
    if not isinstance(value, str):
        return value
    pairs: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in value.split(","))):
        left, found, right = item.partition(separator)
        if not left or not (right if found else alone):
            # The value may hold secrets, so the message shows none of it.
            raise InvalidSetting(name=name, value="***", cure=f"write it as a{separator}b,c{separator}d")
        pairs[left.strip()] = right.strip() if found else left.strip()
    return pairs
