"""Redis, for Switchboard's own keys: clients, the deadline on their answers, and outages. Celery has its own client.

    clients        clients for an event loop and for a process without one
    connections    connections that leave a server which takes no writes
    failover       connections to the master that Sentinels name, which follow it
    deadline       the deadline on an answer
    liveness_key   a key that exists while a process of some kind is at work
    outage         one line in the log when Redis fails, and one when it answers again

An error reply is an outage like silence, and is waited out in the same way. Redis may refuse a request (READONLY, OOM,
MISCONF, NOPERM, LOADING, BUSY, NOAUTH) for seconds or for good, and no call is ended for it before
`SWITCHBOARD_REDIS_OUTAGE_SECONDS` are over. redis-py raises a RedisError for each, and an OSError where it has not
connected.
"""

from __future__ import annotations

from tasks.redis_client.clients import connect, connect_blocking, sentinel_options
from tasks.redis_client.deadline import within_deadline
from tasks.redis_client.liveness_key import LivenessKey
from tasks.redis_client.outage import Outage

__all__ = ["LivenessKey", "Outage", "connect", "connect_blocking", "sentinel_options", "within_deadline"]
