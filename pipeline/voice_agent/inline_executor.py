"""An executor that needs no thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ImmediateExecutor(Executor):
    """Runs what it is given at once, in the thread that gives it.

    For work that is shorter than the way to another thread and back, which wakes two threads and hands over the lock of
    the interpreter twice.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn`. Returns what came of it: a future that is done."""
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result has it raised
            done.set_exception(error)
        return done
