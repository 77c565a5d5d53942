"""The Celery message of a room, as bytes that are not sent: the script that opens the room pushes them.

Kombu itself builds the message, into a channel that records it, so the format is what this kombu's workers read.
"""

from __future__ import annotations

import json
from typing import Any

from kombu import Connection
from kombu.transport import virtual

from tasks.queue.app import app

TASK = "tasks.run_room"
AVOID = "avoid"
"""The header that names the worker on which the attempt before has failed: another one should take this one."""


class _RecordingChannel(virtual.Channel):
    recorded: dict[str, Any]

    def _put(self, queue: str, message: dict[str, Any], **_: object) -> None:
        del queue
        self.recorded = message


class _RecordingTransport(virtual.Transport):
    Channel = _RecordingChannel

    def establish_connection(self) -> _RecordingTransport:
        return self

    def close_connection(self, connection: object) -> None:
        del connection


def task_id(sid: str, attempt: int) -> str:
    """Return the task's id, readable in Flower. It does not dedupe: the claim does."""
    return f"{sid}:{attempt}"


UNABLE = "unable"
"""The header beside it, if that worker could not answer the room a second time either."""
TRACEPARENT = "traceparent"
"""The header with the context of the dispatch, as W3C's of the same name has it."""
LOST_CLAIM = "lost_claim"
"""The header that says when the attempt before was claimed, unix ms, if its process has died with its span."""


def call_message(  # noqa: PLR0913 - what a worker needs, and what Flower shows
    *,
    sid: str,
    attempt: int,
    name: str,
    tenant: str,
    tier: str,
    queue: str,
    avoid: str = "",
    unable: str = "",
    trace: str = "",
    lost_claim_ms: int | None = None,
) -> bytes:
    """Return the message that has a worker answer the room.

    Its arguments are the sid and the attempt; name, tenant and tier are only in what Flower shows of them. `avoid`: the
    worker that should not take it if another one can. `unable`: the one that would fail again. `trace` and
    `lost_claim_ms`: see TRACEPARENT and LOST_CLAIM.
    """
    headers: dict[str, Any] = {AVOID: avoid, UNABLE: unable} if avoid else {}
    if trace:
        headers[TRACEPARENT] = trace
    if lost_claim_ms is not None:
        # Also without a trace: workers may export where receivers do not.
        headers[LOST_CLAIM] = lost_claim_ms
    with Connection(transport=_RecordingTransport) as connection:
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
            headers=headers or None,
        )
        return json.dumps(channel.recorded).encode()
