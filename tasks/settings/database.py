"""The database of the records, and of what else is kept after a call."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from tasks.settings.environment import Group


def _default_url() -> SecretStr:
    # The XDG specification says that a relative path is to be ignored.
    base = os.environ.get("XDG_STATE_HOME", "")
    state = Path(base) if Path(base).is_absolute() else Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111 - it does not raise without a home
    return SecretStr(f"sqlite:///{state / 'livekit-switchboard' / 'records.db'}")


class DatabaseSettings(Group):
    """The database: a file of SQLite, or a PostgreSQL server."""

    url: SecretStr = Field(default_factory=_default_url, validation_alias="SWITCHBOARD_DATABASE_URL")
    """`sqlite:////folder/records.db`, with an absolute path, or `postgresql://user:password@host/database`."""
    deadline_seconds: float = Field(10.0, gt=0, validation_alias="SWITCHBOARD_DATABASE_DEADLINE_SECONDS")
    """The time that the database has to answer one query, or to take one batch of records."""

    @property
    def is_file(self) -> bool:
        """True for SQLite."""
        return self.url.get_secret_value().startswith("sqlite:")

    @field_validator("url")
    @classmethod
    def _usable(cls, value: SecretStr) -> SecretStr:
        # Without SQLAlchemy, which a worker never needs.
        scheme, separated, rest = value.get_secret_value().partition("://")
        if not separated or scheme not in {"sqlite", "postgresql"}:
            raise ValueError("write it as sqlite:////folder/records.db or postgresql://user:password@host/database")
        if scheme == "sqlite" and (not rest.startswith("//") or "?" in rest or rest.endswith("/")):
            raise ValueError("it names a file by its absolute path, sqlite:////folder/records.db: processes share it")
        if scheme == "postgresql" and not urlsplit(f"//{rest}").path.strip("/"):
            raise ValueError("it names no database: postgresql://user:password@host/database")
        return value
