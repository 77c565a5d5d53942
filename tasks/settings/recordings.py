"""The recordings of calls: where workers send them, and where and for how long the console keeps them."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from tasks.settings.environment import Group, pairs


def _default_url() -> str:
    # Beside the default database: see `tasks.settings.database`.
    base = os.environ.get("XDG_STATE_HOME", "")
    state = Path(base) if Path(base).is_absolute() else Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111 - it does not raise without a home
    return f"file://{state / 'livekit-switchboard' / 'recordings'}"


class RecordingSettings(Group):
    """The recordings of calls, of tenants that have any: where they go, and for how long they are kept."""

    console_url: str | None = Field(
        None, pattern=r"^https?://[^\s?#]+[^\s?#/]$", validation_alias="SWITCHBOARD_CONSOLE_URL"
    )
    """The address of the console for workers, which upload to it what they have recorded."""
    upload_seconds: float = Field(20.0, gt=0, validation_alias="SWITCHBOARD_UPLOAD_SECONDS")
    """The time for the upload of audio and transcript, once a call is over."""
    upload_max_bytes: int = Field(512 << 20, gt=0, validation_alias="SWITCHBOARD_UPLOAD_MAX_BYTES")
    url: str = Field(
        default_factory=_default_url,
        pattern=r"^(file|s3|gs|az)://\S+$",
        validation_alias="SWITCHBOARD_RECORDINGS_URL",
    )
    """The object store for audio: a folder, or a bucket of S3, Google Cloud Storage or Azure."""
    encrypted: bool = Field(default=False, validation_alias="SWITCHBOARD_RECORDINGS_ENCRYPTED")
    """Recordings are encrypted with a key of their tenant, which SWITCHBOARD_ENCRYPTION_KEYS encrypt."""
    days: int = Field(30, ge=1, validation_alias="SWITCHBOARD_RECORDING_DAYS")
    """They are deleted after so many days. A tenant may have another number."""
    traces_url: str | None = Field(None, pattern=r"^https?://\S+$", validation_alias="SWITCHBOARD_FORWARD_TRACES_URL")
    """An address that takes OTLP over HTTP, to which the console passes on the traces of calls."""
    traces_headers: dict[str, SecretStr] = Field({}, validation_alias="SWITCHBOARD_FORWARD_TRACES_HEADERS")
    """The headers that it asks for, `name=value,name=value`."""

    @field_validator("traces_headers", mode="before")
    @classmethod
    def _name_and_value(cls, value: object) -> object:
        return pairs(value, "=") if isinstance(value, str) else value
