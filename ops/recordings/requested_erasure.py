"""The erasure of calls that backends have asked for. It runs in the console, which alone has the object store."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError

from ops.recordings.erasure import CallNotOver, Erasure
from tasks.errors import SwitchboardError
from tasks.records.erasure import Eraser
from tasks.rooms.erasures import ErasureRequest, ErasureRequests

EVERY_SECONDS = 5.0
RETRY_SECONDS = 60.0
AT_ONCE = 20

logger = logging.getLogger("switchboard.ops.console")


class RequestedErasure:
    """Erases what backends have asked for. Several consoles may do so at once: each step may be done again."""

    def __init__(self, erasure: Erasure, requests: ErasureRequests) -> None:
        self._erasure = erasure
        self._requests = requests

    async def run(self) -> None:
        """Erase what is asked for, until cancelled."""
        while True:
            pause = EVERY_SECONDS
            try:
                if await self.erase_requested() == AT_ONCE:
                    pause = 0.0
            except (SwitchboardError, RedisError, OSError) as error:
                # Redis or the database is away, and all others would fail, too.
                logger.warning("requested erasures wait", extra={"error": str(error) or type(error).__name__})
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    async def erase_requested(self) -> int:
        """Erase the calls of the oldest requests. Returns the number that were erased.

        Raises the error of the last one that failed, which is tried again behind the others.
        """
        erased = 0
        failed: SwitchboardError | None = None
        for request in await self._requests.oldest(AT_ONCE):
            try:
                await self._erasure.erase(request.sid, _eraser(request), tenant=request.tenant)
            except CallNotOver:
                # The room was opened again by a caller who came back. It is erased with that call.
                await self._requests.defer(request)
            except SwitchboardError as error:
                await self._requests.defer(request)
                failed = error
            else:
                await self._requests.remove(request)
                erased += 1
                logger.info(
                    "call erased for a backend",
                    extra={"sid": request.sid, "tenant": request.tenant, "api_key": request.api_key},
                )
        if failed is not None:
            raise failed
        return erased


def _eraser(request: ErasureRequest) -> Eraser:
    # A request is tried until it is done. The same key may ask again, which is no other erasure.
    key = f", key {request.api_key}" if request.api_key else ""
    return Eraser(f"backend of {request.tenant}", f"by the API{key}", request=request.member)
