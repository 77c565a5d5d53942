"""The recordings of an installation: the object store, the tenants' keys, and what reads, writes and deletes them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from ops.recordings.deletion import Deletion
from ops.recordings.erasure import Erasure
from ops.recordings.expiry import Expiry
from ops.recordings.object_store import ObjectStore
from ops.recordings.recordings import Recordings
from ops.recordings.requested_erasure import RequestedErasure
from ops.recordings.store import RecordingStore
from ops.recordings.tenant_keys import TenantKeys
from tasks.encryption import Encryption
from tasks.errors import InvalidSetting, RedisUnavailable, SwitchboardError
from tasks.records import Database
from tasks.rooms.erasures import ErasureRequests
from tasks.settings import Settings
from tasks.tenants import keys as tenant_keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger("switchboard.ops.console")


class Archive:
    """All that there is of recordings in a process. Opening it raises InvalidSetting, or RecordingUnavailable."""

    def __init__(self, settings: Settings, database: Database, redis: Redis) -> None:
        wanted = settings.recordings
        if wanted.encrypted and settings.tenants.encryption_keys is None:
            cure = "set SWITCHBOARD_ENCRYPTION_KEYS: recordings would be lost with the LiveKit secret"
            raise InvalidSetting(name="SWITCHBOARD_RECORDINGS_ENCRYPTED", value=True, cure=cure)
        self._database = database
        self._redis = redis
        objects = ObjectStore(wanted.url)
        self.keys = TenantKeys(database, Encryption(settings), encrypting=wanted.encrypted)
        self.recordings = Recordings(database, objects, self.keys)
        self.store = RecordingStore(database, objects, self.keys)
        self.deletion = Deletion(database, objects)
        self.expiry = Expiry(self.deletion, days=wanted.days, days_by_tenant=self._days_by_tenant)

    @property
    def requested(self) -> RequestedErasure:
        """The erasure of the calls that backends have asked to erase."""
        return RequestedErasure(self.erasure, ErasureRequests(self._redis))

    @property
    def erasure(self) -> Erasure:
        """The erasure of calls."""
        return Erasure(self._database, self.deletion, self._redis)

    async def maintain(self) -> None:
        """Encrypt the tenants' keys with the first encryption key, then delete what has expired or is to be erased.

        Until it is cancelled.
        """
        try:
            if changed := await self.keys.reencrypt():
                logger.info("keys of tenants encrypted again", extra={"keys": changed})
        except SwitchboardError as error:
            # Recordings of that tenant cannot be read or added. Others can.
            logger.error("keys of tenants not encrypted again", extra={"error": str(error)})  # noqa: TRY400 - no trace
        await asyncio.gather(self.expiry.run(), self.requested.run())

    async def _days_by_tenant(self) -> Mapping[str, int]:
        try:
            records = cast("dict[str, str]", await cast("Any", self._redis.hgetall(tenant_keys.TENANTS)))
        except (RedisError, OSError) as error:
            raise RedisUnavailable(seconds="a few", error=type(error).__name__) from error
        days = {tenant: _days(record) for tenant, record in records.items()}
        return {tenant: number for tenant, number in days.items() if number}


def _days(record: str) -> int | None:
    try:
        days = json.loads(record).get("record_days")
    except (ValueError, AttributeError):
        # Its calls cannot be answered either. Nothing of it is deleted early.
        return None
    return days if isinstance(days, int) else None
