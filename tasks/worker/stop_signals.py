"""The signals by which a worker is told to stop, kept from its children and sidecars.

`tini -g`, dumb-init, supervisord's `stopasgroup`, `systemctl kill`, Ctrl-C and a terminal that closes send them to
every process of the worker. Only the main process may act on them: it begins a drain, in which calls go on.

A child has a handler for them that does nothing, and does not ignore them: a program that it starts would inherit that,
and could not be terminated by its agent. A process that it forks gets the defaults back for the same reason
(`Pool.terminate` of multiprocessing would wait for ever).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})

_before_fork = threading.local()


@contextmanager
def held() -> Iterator[None]:
    """Hold the signals back around a fork, until the parent has forked and the child has called one of the others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def disregard() -> None:
    """Have the signals do nothing in this process, a fresh child, and the default in those that it starts."""
    for number in STOP_SIGNALS:
        signal.signal(number, _do_nothing)
        # The agent's native code need not know of interrupted system calls.
        signal.siginterrupt(number, False)  # noqa: FBT003 - the only argument that it takes
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_restore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def ignore() -> None:
    """Ignore the signals in this process, and in the program that it becomes."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _do_nothing(*_: object) -> None:
    return


def _hold() -> None:
    _before_fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _before_fork.mask)


def _restore() -> None:
    for number in STOP_SIGNALS:
        # An agent may have a handler of its own.
        if signal.getsignal(number) is _do_nothing:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _release()
