"""Checks of this host: the limits and folders that receivers and workers need here.

They say nothing of other hosts: run them where a worker runs, with its settings and as its user.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from ops.commands.doctor.finding import Finding, NotChecked, error, ok, warning
from ops.commands.doctor.installation import Installation
from tasks.settings import cpu
from tasks.settings import memory as host_memory
from tasks.settings.capacity import FILES_OF_A_SLOT, FILES_OF_A_WORKER
from tasks.worker.pool.call_folder import CALLS
from tasks.worker.start.runtime_dir import PREFIX

FILES_OF_A_RECEIVER = 1024
"""HAProxy opens up to 700 connections to a receiver; Redis, LiveKit and the process itself take the rest."""
LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket, on Linux."""
RANDOM = "12345678"
"""As long as the random part of the name of a temporary folder."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - POSIX' own, where semaphores are
MB = 1 << 20
LEAST_SHARED_MB, LEAST_DISK_MB, LITTLE_DISK_MB = 8, 100, 1000
CALLS_OF_A_CORE = 6
"""Calls of the local providers at which a core is as busy as a worker lets it become."""


async def open_files(installation: Installation) -> AsyncIterator[Finding]:
    """Check the limit of open files."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    slots = _wanted_slots(installation)
    needed = max(FILES_OF_A_RECEIVER, FILES_OF_A_WORKER + slots * FILES_OF_A_SLOT)
    if limit == resource.RLIM_INFINITY:
        yield ok(f"no limit; {slots} slots need {needed}")
    elif limit >= needed:
        yield ok(f"{limit} open files; {slots} slots need {needed}")
    else:
        raised = f"LimitNOFILE={needed} in systemd, `ulimits: nofile` in compose, or ulimit -n {needed}"
        cure = f"{raised}; the hard limit is {hard}"
        yield error(f"{limit} open files, and {slots} slots need {needed}", cure)


async def temporary_folder(installation: Installation) -> AsyncIterator[Finding]:
    """Check that sockets fit into the temporary folder, and that it has room."""
    del installation
    folder = tempfile.gettempdir()
    pid = str(_largest_pid())
    # As Python's multiprocessing makes it for a process that an agent starts in its call.
    socket = Path(folder, f"{PREFIX}{RANDOM}", CALLS, pid, f"pymp-{RANDOM}", f"listener-{RANDOM}")
    if (longer := len(os.fsencode(socket)) - LONGEST_SOCKET) > 0:
        longest = len(os.fsencode(folder)) - longer
        yield error(
            f"the path of TMPDIR, {folder}, is too long by {longer} bytes: agents cannot start processes below it",
            f"set TMPDIR to a folder whose path has at most {longest} bytes, such as /tmp",
        )
    free = shutil.disk_usage(folder).free / MB
    if free < LEAST_DISK_MB:
        yield error(f"{free:.0f} MB are free in {folder}", "make room: a call's temporary files are there")
    elif free < LITTLE_DISK_MB:
        yield warning(f"{free:.0f} MB are free in {folder}", "make room: a call's temporary files are there")
    elif longer <= 0:
        yield ok(f"{folder}, {free / 1000:,.0f} GB free")


async def shared_memory(installation: Installation) -> AsyncIterator[Finding]:
    """Check that the pool of a worker can make its semaphores."""
    del installation
    if not SHARED_MEMORY.is_dir():  # noqa: ASYNC240 - a folder of the kernel's does not block
        raise NotChecked(f"there is no {SHARED_MEMORY} here")
    free = shutil.disk_usage(SHARED_MEMORY).free / MB
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        yield error(f"{SHARED_MEMORY} is not writable", "mount it as a tmpfs that the worker's user can write to")
    elif free < LEAST_SHARED_MB:
        yield error(f"{free:.0f} MB are free in {SHARED_MEMORY}", "`shm_size: 64m` in compose, or remove what fills it")
    else:
        yield ok(f"{free:,.0f} MB free")


async def memory(installation: Installation) -> AsyncIterator[Finding]:
    """Check that the calls that its cores carry, or its slots, fit into the memory of this host or its container."""
    slots, call_mb = _wanted_slots(installation), installation.settings.worker.call_memory_mb
    if not call_mb:
        raise NotChecked("SWITCHBOARD_CALL_MEMORY_MB is 0: calls are taken whatever memory is free")
    free = host_memory.free_mb()
    text = f"{slots} calls take about {slots * call_mb:,.0f} MB, and {free:,.0f} are free"
    if slots * call_mb > free:
        cure = f"give the host more memory, or start fewer calls: SWITCHBOARD_SLOTS={max(1, int(free / call_mb))}"
        yield warning(f"{text}: workers take fewer", cure)
    else:
        yield ok(text)


def _wanted_slots(installation: Installation) -> int:
    """Return the slots that are set, or as many as the cores of this host can carry."""
    return installation.settings.worker.slots or max(1, round(CALLS_OF_A_CORE * cpu.cores()))


def _largest_pid() -> int:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii")) - 1
    except (OSError, ValueError):
        return 99_999
