"""All the processes of an installation on one machine, for the demo and for the tests.

    options = StackOptions(directory, Binaries.find(), workers=(WorkerSpec("one", ("premium",)),))
    async with Stack.start(options) as stack:
        stack.livekit_url, stack.redis_url, stack.env, stack.workers["one"].pid, …

The ports are chosen first, because livekit-server must know the address of the receivers before they are there. Each
part is ready before the next one starts. None of them outlives the block, nor this process: see
`ops.stack.die_with_parent`.
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
