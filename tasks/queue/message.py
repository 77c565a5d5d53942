"""The Celery message of a call, as bytes, without sending it: the script that opens the room pushes it.

Kombu itself builds the message, into a channel that keeps it, so the format is whatever this kombu's workers read.
"""

from __future__ import annotations

import json
from typing import Any

from kombu import Connection
from kombu.transport import virtual

from tasks.celery import app

TASK = "tasks.call.task"


class _KeepingChannel(virtual.Channel):
    kept: dict[str, Any]

    def _put(self, queue: str, message: dict[str, Any], **_: object) -> None:
        del queue
        self.kept = message


class _KeepingTransport(virtual.Transport):
    Channel = _KeepingChannel

    def establish_connection(self) -> _KeepingTransport:
        return self

    def close_connection(self, connection: object) -> None:
        del connection


def task_id(sid: str, attempt: int) -> str:
    """The task's id, readable in Flower. It does not dedupe: the claim does."""
    return f"{sid}:{attempt}"


def call_message(*, sid: str, attempt: int, name: str, tenant: str, tier: str, queue: str) -> bytes:
    """The message that makes a worker answer the room: ids in its arguments, the rest only in what is shown of them."""
    with Connection(transport=_KeepingTransport) as connection:
        channel = connection.default_channel
        app.send_task(
            TASK,
            kwargs={"sid": sid, "attempt": attempt},
            task_id=task_id(sid, attempt),
            argsrepr="()",
            kwargsrepr=repr({"room": name, "tenant": tenant, "tier": tier, "attempt": attempt}),
            producer=app.amqp.Producer(channel, auto_declare=False),
            queue=queue,
            ignore_result=True,
        )
        return json.dumps(channel.kept).encode()
