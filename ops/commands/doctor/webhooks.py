"""A check that webhooks arrive: the LiveKit server announces a room of ours, and a receiver notes it in Redis.

It needs no address of the receivers, and proves the whole way: the server's configuration, the load balancer, the
signature, and a write to Redis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ops.commands.doctor.finding import Finding, error, ok
from ops.commands.doctor.installation import Installation


async def webhooks(installation: Installation) -> AsyncIterator[Finding]:
    """Check that a webhook of a new room arrives at a receiver."""
    noted = await installation.noted_webhooks()
    if noted:
        first = noted[0]
        yield ok(f"{first.event} of a new room has arrived, at receiver {first.receiver}")
        return
    key = installation.settings.livekit.api_key
    cure = (
        "in the LiveKit server's configuration, webhook.urls has the address of the receivers, as that host reaches "
        f"it: http://<load balancer>/livekit/webhook; webhook.api_key is {key}, or a key of SWITCHBOARD_WEBHOOK_KEYS. "
        'If a receiver logs "webhook rejected", it has another secret or another time; the server logs "failed to send '
        'webhook" if it reaches nobody'
    )
    yield error(f"no webhook of a new room has arrived within {installation.webhook_seconds:g} s", cure)
