"""An installation's processes on one machine, for the demo and for the tests.

    options = StackOptions(directory, Binaries.find(), workers=(WorkerSpec("one", ("premium",)),))
    async with Stack.start(options) as stack:
        stack.livekit_url, stack.redis_url, stack.env, stack.workers["one"].pid, …

The ports are chosen first, because livekit-server must know the address of the receivers before they run. Each part
is ready before the next one starts. No part outlives the block or this process: see `ops.stack.die_with_parent`.

    stack            all parts, started and stopped in their order
    process          one child process: start, readiness, stop
    die_with_parent  the script that ties a process to the life of its parent
    environment      the environment of the processes
    binaries         the servers that are not part of Switchboard
    ports            free ports
    probe            one HTTP GET, for readiness
    errors           errors of starting
    redis            redis-server
    livekit          livekit-server
    haproxy          HAProxy in front of the receivers
    receiver         a webhook receiver
    worker           a Celery worker
    background       a background worker
    flower           Flower
    console          the console
    records          the schema of the database, and what writes records into it
    exporter         the exporter of metrics
    tenants          the tenants file, applied to the stack's Redis
"""

from __future__ import annotations

from ops.stack.binaries import Binaries
from ops.stack.errors import ProcessDied, ProcessNotReady, StackError
from ops.stack.process import ManagedProcess
from ops.stack.stack import ExternalLiveKit, Stack, StackEvent, StackOptions
from ops.stack.worker import Worker, WorkerSpec

__all__ = [
    "Binaries",
    "ExternalLiveKit",
    "ManagedProcess",
    "ProcessDied",
    "ProcessNotReady",
    "Stack",
    "StackError",
    "StackEvent",
    "StackOptions",
    "Worker",
    "WorkerSpec",
]
