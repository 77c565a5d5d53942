"""A check at the receiver's start: the LiveKit server accepts its API key.

With a wrong secret each webhook is refused, and LiveKit counts a refused webhook as delivered: calls would not be
answered, and only the counters would show it. A server that is away is no reason not to start; it is asked again until
it answers.
"""

from __future__ import annotations

import asyncio
import logging

from tasks.livekit_api import LiveKitClient, LiveKitRequestFailed, LiveKitUnreachable
from tasks.settings import LivekitSettings

ROOM = "switchboard-key-check"
"""A name that no room has: the answer shall be short."""
RETRY_SECONDS = 10.0

logger = logging.getLogger("switchboard.webhooks")


async def check_key(settings: LivekitSettings, *, retry_seconds: float = RETRY_SECONDS) -> None:
    """Ask the LiveKit server with our API key, until it answers, and log what it says. The log never has the secret."""
    fields = {"url": settings.url, "key": settings.api_key}
    away = False
    async with LiveKitClient.from_settings(settings) as livekit:
        while True:
            try:
                await livekit.list_rooms(ROOM)
            except LiveKitUnreachable as error:
                if not away:
                    logger.warning("LiveKit server not reached yet", extra=fields | {"cause": error.cause})
                away = True
            except LiveKitRequestFailed as error:
                if not error.temporary:
                    cure = "compare LIVEKIT_API_KEY and LIVEKIT_API_SECRET with the keys of the server"
                    logger.error(  # noqa: TRY400 - the code is enough
                        "LiveKit server refuses the API key", extra=fields | {"code": error.code, "cure": cure}
                    )
                    return
            else:
                logger.info("LiveKit server accepts the API key", extra=fields)
                return
            await asyncio.sleep(retry_seconds)
