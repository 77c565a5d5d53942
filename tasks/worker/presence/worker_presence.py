"""The worker beside others: its name is its own, and its settings are those of the receivers."""

from __future__ import annotations

import logging
import os
from typing import Any, cast

from redis import Redis
from redis.exceptions import RedisError

from tasks.rooms import keys
from tasks.settings import Settings
from tasks.settings.shared import differences, shared_settings
from tasks.worker.presence.heartbeat import Heartbeat
from tasks.worker.presence.node_name import NodeNameTaken

logger = logging.getLogger("switchboard.tasks.worker")


class WorkerPresence:
    """A worker's view of the others, by the answers to its heartbeat: another one with its name, other settings.

    Each is logged once for each change.
    """

    def __init__(self, redis: Redis, settings: Settings, heartbeat: Heartbeat) -> None:
        self._redis = redis
        self._shared = shared_settings(settings)
        self._heartbeat = heartbeat
        self._is_known = False
        self._holder = ""
        self._digest = ""
        self._differences: list[str] = []

    @property
    def differences(self) -> str:
        """The settings that the receivers have differently, or "", for its heartbeat."""
        return "; ".join(self._differences)

    def require_name(self, node: str) -> None:
        """End this worker if another one has its name, at its start: both were started at one time.

        Raises SystemExit, which stops Celery's worker.
        """
        if self._heartbeat.name_holder and not self._is_known:
            logger.critical(str(NodeNameTaken(node, self._heartbeat.name_holder)))
            raise SystemExit(os.EX_UNAVAILABLE)
        self._is_known = True

    def report(self) -> None:
        """Log what has changed since the last heartbeat."""
        holder, digest = self._heartbeat.name_holder, self._heartbeat.installation_digest
        if holder != self._holder:
            self._holder = holder
            if holder:
                logger.error("another worker has taken this one's name; give each its own", extra={"holder": holder})
        if digest != self._digest:
            self._compare(digest)

    def _compare(self, digest: str) -> None:
        try:
            found = self._find_differences() if digest else []
        except (RedisError, OSError) as error:
            logger.warning("settings not compared yet", extra={"error": type(error).__name__})
            return
        self._digest = digest
        if found and found != self._differences:
            logger.error("settings differ from the receivers'", extra={"differences": "; ".join(found)})
        elif self._differences and digest and not found:
            logger.info("settings are the receivers' again")
        self._differences = found

    def _find_differences(self) -> list[str]:
        """Return a phrase for each setting that the receivers have differently. Raises RedisError or OSError."""
        theirs = cast("dict[str, str]", cast("Any", self._redis.hgetall(keys.INSTALLATION)))
        return differences(self._shared, theirs)
