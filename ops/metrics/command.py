"""The command `switchboard exporter`."""

from __future__ import annotations

import asyncio
import logging

from pydantic import BaseModel, ConfigDict

from ops.metrics.exporter import Exporter
from ops.metrics.server import create_app
from ops.serving import serve
from tasks import logs
from tasks.redis_client import connect
from tasks.settings import LogSettings, MetricsSettings, RedisSettings, TierSettings, warn_of_unknown_settings
from tasks.settings.environment import Group, read_groups

logger = logging.getLogger("switchboard.ops.metrics")

_GROUPS: dict[str, type[Group]] = {
    "redis": RedisSettings,
    "tiers": TierSettings,
    "metrics": MetricsSettings,
    "log": LogSettings,
}


class ExporterSettings(BaseModel):
    """The settings that an exporter reads. It needs no key of the LiveKit server."""

    model_config = ConfigDict(frozen=True)

    redis: RedisSettings
    tiers: TierSettings
    metrics: MetricsSettings
    log: LogSettings


def run(*, host: str, port: int) -> None:
    """Serve the metrics until a stop signal. Raises InvalidSettings; SystemExit if the port is taken."""
    settings = ExporterSettings.model_validate(read_groups(_GROUPS))
    logs.set_up(settings.log.level, process="exporter")
    warn_of_unknown_settings(logger)
    asyncio.run(_serve(settings, host=host, port=port))


async def _serve(settings: ExporterSettings, *, host: str, port: int) -> None:
    async with connect(settings.redis, undecodable="replace") as redis:
        exporter = Exporter(redis, settings.tiers, settings.metrics, address=settings.redis.server)
        await serve(create_app(exporter), host=host, port=port)
