"""The settings of an installation: read once from the environment, frozen, passed in.

    groups         the groups, each with its fields' variables, defaults and bounds
    environment    how a group is read, `NAME` or `NAME_FILE`, and what is said of a value that is not valid

A process that has no LiveKit secret, such as Flower, a health check or `switchboard ps`, reads the groups that it
needs: `RedisSettings.read()`.
"""

from __future__ import annotations

from typing import Self, cast

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from tasks.settings.environment import Environment, Group
from tasks.settings.groups import (
    AfterLimit,
    AfterWait,
    CallSettings,
    LeaseSettings,
    LivekitSettings,
    LogSettings,
    ReceiverSettings,
    RedisSettings,
    TelephoneSettings,
    TenantSettings,
    TierSettings,
    WorkerSettings,
)

__all__ = [
    "AfterLimit",
    "AfterWait",
    "CallSettings",
    "LivekitSettings",
    "LogSettings",
    "RedisSettings",
    "Settings",
    "TenantSettings",
    "TierSettings",
    "WorkerSettings",
]


class Settings(BaseModel):
    """All settings. Times are in the unit that the field's name ends with."""

    model_config = ConfigDict(frozen=True)

    redis: RedisSettings
    livekit: LivekitSettings
    receiver: ReceiverSettings
    tiers: TierSettings
    lease: LeaseSettings
    worker: WorkerSettings
    call: CallSettings
    telephone: TelephoneSettings
    tenants: TenantSettings
    log: LogSettings

    @classmethod
    def read(cls, environment: Environment | None = None) -> Self:
        """Read all groups, from the process's environment if none is given.

        Raises InvalidSetting, which names the variable and the cure.
        """
        return cls(
            redis=RedisSettings.read(environment),
            livekit=LivekitSettings.read(environment),
            receiver=ReceiverSettings.read(environment),
            tiers=TierSettings.read(environment),
            lease=LeaseSettings.read(environment),
            worker=WorkerSettings.read(environment),
            call=CallSettings.read(environment),
            telephone=TelephoneSettings.read(environment),
            tenants=TenantSettings.read(environment),
            log=LogSettings.read(environment),
        )

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return all fields of all groups by their environment variables."""
        groups = (cast("type[Group]", field.annotation) for field in cls.model_fields.values())
        return {name: field for group in groups for name, field in group.variables().items()}
