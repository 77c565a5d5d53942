"""A child process that is ready when `start` returns, and that never outlives its parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from ops.stack import die_with_parent
from ops.stack.errors import ProcessDied, ProcessNotReady

TAIL_LINES = 15


class Spawned(Protocol):
    """A started process, of which asyncio's is one."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, or None while it runs."""

    async def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""


class ManagedProcess(ABC):
    """One process of the stack, in its own session, with its output in `<directory>/<name>.log`.

    A subclass has the command and the readiness check. `start` and `stop` may be called again: a part comes back with
    the same ports. `kill`, `pause` and `resume` are for tests of failures.
    """

    ready_seconds: float = 60.0
    """The time to get ready, on a machine that has much else to do. A process that ends is noticed at once."""
    probe_seconds: float = 0.05
    """Time between two readiness checks. Longer where a check is costly, or the process takes seconds to start."""
    stop_seconds: float = 5.0
    """Time between SIGTERM and SIGKILL."""

    def __init__(self, name: str, directory: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.directory = directory
        self.env = dict(env)
        self.log = directory / f"{name}.log"
        self.started_in_seconds = 0.0
        self._process: Spawned | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write the files that the process reads, and return its command."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Return whether the process works now. A refused connection (OSError) counts as no."""

    @property
    def pid(self) -> int:
        """The id of the process, of its session and of its group."""
        if self._process is None:
            msg = f"{self.name} has not been started"
            raise RuntimeError(msg)
        return self._process.pid

    @property
    def running(self) -> bool:
        """True from the start of the process to its end."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises ProcessDied or ProcessNotReady with the end of its log. Then, and when cancelled, the process is killed.
        """
        began = time.monotonic()
        self._process = await self.spawn(self.command())
        try:
            await self._wait_until_ready()
        except BaseException:
            self.kill()
            await self._process.wait()
            raise
        self.started_in_seconds = time.monotonic() - began

    async def spawn(self, command: list[str]) -> Spawned:
        """Start the process without waiting until it is ready."""
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid())),
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.directory,
                env=self.env,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def stop(self) -> None:
        """Stop the process: SIGTERM, and after at most `stop_seconds` SIGKILL to all that is left of its group.

        Does nothing if the process has ended already.
        """
        if self._process is None:
            return
        try:
            if self.running:
                self._send_tree(signal.SIGCONT)
                self.send(signal.SIGTERM)
                async with asyncio.timeout(self.stop_seconds):
                    await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
            await self._process.wait()

    async def exited(self) -> int:
        """Wait until the process has ended, and return its exit status: minus the signal's number if it was killed."""
        if self._process is None:
            msg = f"{self.name} has not been started"
            raise RuntimeError(msg)
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, as `kill <pid>` does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to the process and to every process of its group."""
        self._send_group(signal.SIGKILL)

    def pause(self) -> None:
        """Send SIGSTOP to it and all its descendants: they keep their connections and answer nothing."""
        self._send_tree(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT to it and all its descendants."""
        self._send_tree(signal.SIGCONT)

    def tail(self) -> str:
        """Return the last lines of its log, indented."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(f"\n    {line.rstrip()}" for line in deque(log, TAIL_LINES))

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(self.ready_seconds):
                # Polled: neither a port nor a heartbeat in Redis can wake this task.
                while not await self._probe():  # noqa: ASYNC110
                    await asyncio.sleep(self.probe_seconds)
        except TimeoutError as error:
            raise ProcessNotReady(name=self.name, seconds=self.ready_seconds, log=self.log, tail=self.tail()) from error

    async def _probe(self) -> bool:
        if not self.running:
            raise ProcessDied(name=self.name, returncode=await self.exited(), log=self.log, tail=self.tail())
        try:
            return await self.is_ready()
        except OSError:
            return False

    def _send_tree(self, number: signal.Signals) -> None:
        # A worker's children have sessions of their own.
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            for process in (root, *root.children(recursive=True)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)

    def _send_group(self, number: signal.Signals) -> None:
        # The group's id stays reserved while a process of it is left, so this never signals a foreign process.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process is not None:
                os.killpg(self._process.pid, number)


class OneShot(ManagedProcess):
    """A process that does its work and ends. It is ready when it has ended with status 0; `start` runs it again."""

    ready_seconds = 60.0

    async def is_ready(self) -> bool:
        """Return whether the process has ended with status 0."""
        return not self.running and await self.exited() == 0

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(self.ready_seconds):
                status = await self.exited()
        except TimeoutError as error:
            raise ProcessNotReady(name=self.name, seconds=self.ready_seconds, log=self.log, tail=self.tail()) from error
        if status:
            raise ProcessDied(name=self.name, returncode=status, log=self.log, tail=self.tail())
