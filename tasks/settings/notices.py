"""The settings of notices to tenants' backends, and of the background workers that send them."""

from __future__ import annotations

import ipaddress
from functools import cached_property

from pydantic import Field, field_validator

from tasks.settings.environment import LARGEST, Group

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_THREADS = 500


class NoticeSettings(Group):
    """The notices: when they are sent again, how long a backend may take, and where backends may be."""

    retry_seconds: str = Field(
        "5,60,600,3600,10800,28800,43200", min_length=1, validation_alias="SWITCHBOARD_NOTICE_RETRY_SECONDS"
    )
    """The times between one try and the next. There is one try more than there are times."""
    timeout_seconds: float = Field(15.0, gt=0, le=300, validation_alias="SWITCHBOARD_NOTICE_TIMEOUT_SECONDS")
    """The time for one try, from the look-up of the address to the end of the answer."""
    at_once: int = Field(4, gt=0, validation_alias="SWITCHBOARD_NOTICES_AT_ONCE")
    """Tries at one tenant's backend at the same time, in all background workers; one while it fails."""
    per_tenant: int = Field(10_000, gt=0, validation_alias="SWITCHBOARD_NOTICES_PER_TENANT")
    """Notices of one tenant that may wait to be sent. More are dropped: Redis' memory is that of all tenants."""
    disable_hours: float = Field(72.0, gt=0, validation_alias="SWITCHBOARD_NOTICE_DISABLE_HOURS")
    """The time for which a backend may do nothing but fail. After it, it is disabled."""
    networks: str | None = Field(None, validation_alias="SWITCHBOARD_NOTICE_NETWORKS")
    """Networks in which backends may be although they are not public, `10.1.0.0/16,fd00::/8`; there without TLS too."""
    threads: int = Field(32, gt=0, le=MOST_THREADS, validation_alias="SWITCHBOARD_BACKGROUND_THREADS")
    """The tasks of a background worker at the same time."""

    @cached_property
    def delays_seconds(self) -> tuple[float, ...]:
        """`retry_seconds`, parsed."""
        return tuple(float(part) for part in self.retry_seconds.split(","))

    @cached_property
    def allowed_networks(self) -> tuple[Network, ...]:
        """`networks`, parsed."""
        return _networks(self.networks or "")

    @field_validator("retry_seconds")
    @classmethod
    def _times(cls, value: str) -> str:
        try:
            times = [float(part) for part in value.split(",")]
        except ValueError:
            times = [-1.0]
        if not all(0 < time <= LARGEST for time in times):
            raise ValueError("write it as 5,60,600: numbers of seconds, each more than 0")
        return value

    @field_validator("networks")
    @classmethod
    def _cidr(cls, value: str | None) -> str | None:
        try:
            _networks(value or "")
        except ValueError:
            raise ValueError("write it as 10.1.0.0/16,fd00::/8: networks, without bits of hosts") from None
        return value


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
