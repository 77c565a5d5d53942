"""The settings of an installation: read once from the environment, frozen, passed in.

    groups         the groups, each with its fields' variables, defaults and bounds
    console        the group of the console, which no other process reads
    database       the group of the database
    notices        the group of notices to tenants' backends
    environment    how a group is read, `NAME` or `NAME_FILE`, and what is said of a value that is not valid
    recordings     the group of the recordings
    cpu            the CPU that this process may use
    memory         the memory that this process may use, and what is free of it
    capacity       the calls that a worker of this host can have, from memory and open files
    cgroup         the cgroups of this process, whose limits `cpu` and `memory` read
    process        the name of this process, and its clock
    unknown        variables that look like settings and are none
    redis_url      the URL of Redis, read once for all clients
    shared         the settings that receivers and workers must have in common

A process that has no LiveKit secret, such as Flower, a health check or `switchboard ps`, reads the groups that it
needs: `RedisSettings.read()`.
"""

from __future__ import annotations

import logging
import os
from typing import Self, cast

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from tasks.settings.console import ConsoleSettings
from tasks.settings.database import DatabaseSettings
from tasks.settings.environment import Environment, Group, read_groups
from tasks.settings.groups import (
    AfterLimit,
    AfterWait,
    CallSettings,
    FlowerSettings,
    LeaseSettings,
    LivekitSettings,
    LogSettings,
    MetricsSettings,
    ReceiverSettings,
    RedisSettings,
    TelephoneSettings,
    TenantSettings,
    TierSettings,
    TraceSettings,
    WorkerSettings,
)
from tasks.settings.notices import NoticeSettings
from tasks.settings.recordings import RecordingSettings
from tasks.settings.unknown import unknown_variables

__all__ = [
    "AfterLimit",
    "AfterWait",
    "CallSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "FlowerSettings",
    "LivekitSettings",
    "LogSettings",
    "MetricsSettings",
    "NoticeSettings",
    "RecordingSettings",
    "RedisSettings",
    "Settings",
    "TenantSettings",
    "TierSettings",
    "TraceSettings",
    "WorkerSettings",
    "check_celery_settings",
    "unknown_settings",
]

# Celery's configuration is made of these. Flower and remote control read no others.
_CELERY: dict[str, type[Group]] = {
    "redis": RedisSettings,
    "tiers": TierSettings,
    "worker": WorkerSettings,
    "call": CallSettings,
    "log": LogSettings,
}


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
    database: DatabaseSettings
    recordings: RecordingSettings
    metrics: MetricsSettings
    log: LogSettings
    traces: TraceSettings
    notices: NoticeSettings

    @classmethod
    def read(cls, environment: Environment | None = None) -> Self:
        """Read all groups, from the process's environment if none is given.

        Raises InvalidSettings, which has a line for each variable that is not usable, with the cure.
        """
        return cls.model_validate(read_groups(cls.groups(), environment))

    @classmethod
    def groups(cls) -> dict[str, type[Group]]:
        """Return the groups by their names."""
        return {name: cast("type[Group]", field.annotation) for name, field in cls.model_fields.items()}

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return all fields of all groups by their environment variables."""
        return {name: field for group in cls.groups().values() for name, field in group.variables().items()}


def check_celery_settings(environment: Environment | None = None) -> None:
    """Check the settings of a process that uses Celery and answers no calls. Raises InvalidSettings."""
    read_groups(_CELERY, environment)


def unknown_settings(environment: Environment | None = None) -> list[str]:
    """Return a sentence for each variable that looks like a setting and is none, with the nearest one."""
    known = Settings.variables().keys() | ConsoleSettings.variables().keys() | FlowerSettings.variables().keys()
    return list(unknown_variables(os.environ if environment is None else environment, known))


def warn_of_unknown_settings(logger: logging.Logger) -> None:
    """Log a warning for each variable of this process that looks like a setting and is none."""
    for problem in unknown_settings():
        logger.warning("unknown setting", extra={"problem": problem})
