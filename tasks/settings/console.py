"""The settings of the console. Other processes do not read them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from tasks.settings.environment import Group

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ConsoleSettings(Group):
    """The console: its address, and the operators who may sign in."""

    url: str = Field("http://127.0.0.1:8100", validation_alias="SWITCHBOARD_CONSOLE_PUBLIC_URL")
    """The address at which browsers reach it. With https, its cookies are sent over TLS alone."""
    operators: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_CONSOLE_OPERATORS")
    """A line for each operator, as `switchboard console password` prints it: see `ops.console.sign_in.operators`."""
    session_hours: float = Field(12.0, gt=0, le=720, validation_alias="SWITCHBOARD_CONSOLE_SESSION_HOURS")
    """The time after which an operator signs in again."""
    audio_link_minutes: int = Field(60, ge=1, le=1440, validation_alias="SWITCHBOARD_AUDIO_LINK_MINUTES")
    """The time for which a link to audio in a notice is good."""
    openid_issuer: str | None = Field(
        None, pattern=r"^https?://[^\s?#]+$", validation_alias="SWITCHBOARD_CONSOLE_OPENID_ISSUER"
    )
    """The provider of OpenID Connect, as its own `issuer`."""
    openid_client_id: str | None = Field(None, validation_alias="SWITCHBOARD_CONSOLE_OPENID_CLIENT_ID")
    openid_client_secret: SecretStr | None = Field(None, validation_alias="SWITCHBOARD_CONSOLE_OPENID_CLIENT_SECRET")
    openid_claim: str = Field("email", min_length=1, validation_alias="SWITCHBOARD_CONSOLE_OPENID_CLAIM")
    """The claim of the ID token that says an operator's roles: `email`, or one with a list, `groups`."""
    openid_roles: str | None = Field(None, validation_alias="SWITCHBOARD_CONSOLE_OPENID_ROLES")
    """Value of that claim -> roles, `ann@example.com=operate+listen,*@example.com=view`."""
    trace_url: str | None = Field(
        None, pattern=r"^https?://\S*\{trace_id\}\S*$", validation_alias="SWITCHBOARD_CONSOLE_TRACE_URL"
    )
    """The address of a trace in the tool that shows them, with `{trace_id}` in it."""

    @property
    def secure(self) -> bool:
        """True if browsers reach the console over TLS."""
        return self.url.startswith("https://")

    @field_validator("url")
    @classmethod
    def _reachable_safely(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#@]+/?", value):
            raise ValueError("write it as https://console.example.com, without a path")
        if value.startswith("http://") and urlsplit(value).hostname not in LOOPBACK:
            raise ValueError("without TLS passwords and cookies could be read on the way; it begins with https://")
        return value.rstrip("/")

    @field_validator("openid_roles")
    @classmethod
    def _complete(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not (info.data.get("openid_issuer") and info.data.get("openid_client_id")):
            raise ValueError("set SWITCHBOARD_CONSOLE_OPENID_ISSUER and SWITCHBOARD_CONSOLE_OPENID_CLIENT_ID too")
        return value
