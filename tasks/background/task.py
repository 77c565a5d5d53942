"""The Celery tasks of background workers: one try of one notice each."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tasks.background.app import app
from tasks.background.notices.notice import Delivery
from tasks.background.process import BackgroundProcess
from tasks.errors import RedisUnavailable
from tasks.redis_client import Outage
from tasks.settings import Settings

TASK = "tasks.background.deliver"

logger = logging.getLogger("switchboard.tasks.background")


@app.task(name=TASK, ignore_result=True, throws=(RedisUnavailable,))
def deliver(tenant: str, sid: str, notice: str, token: str) -> str:
    """Try to send a notice. Return the result in a word, which is in Redis by then.

    Raises RedisUnavailable; then the lease ends, and there is another try.
    """
    process: BackgroundProcess = app.switchboard
    began = time.monotonic()
    try:
        return process.deliver(Delivery(tenant, sid, notice, token))
    except (RedisError, OSError) as error:
        raise RedisUnavailable(seconds=round(time.monotonic() - began, 1), error=type(error).__name__) from error


class Publisher:
    """Sends deliveries to the queue. One that could not be sent is taken again when its lease has ended."""

    def __init__(self, settings: Settings) -> None:
        self._outage = Outage(settings.redis.server, logger, part="queue")

    def __call__(self, due: Sequence[Delivery]) -> None:
        """Send them, each as a message."""
        try:
            for delivery in due:
                arguments = {
                    "tenant": delivery.tenant,
                    "sid": delivery.sid,
                    "notice": delivery.id,
                    "token": delivery.token,
                }
                deliver.apply_async(kwargs=arguments, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            self._outage.failed(error)
        else:
            self._outage.answered()
