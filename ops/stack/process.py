"""A child process that is ready when `start` returns, and that never outlives the one that started it."""

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

from ops.stack import die_with_parent
from ops.stack.errors import ProcessDied, ProcessNotReady

PROBE_SECONDS = 0.03
TAIL_LINES = 15


class ManagedProcess(ABC):
    """One process of the stack, in its own session, with its output in `<directory>/<name>.log`.

    A subclass says what to run and when it is ready. `start` and `stop` may be called again, so a part can be taken
    away and brought back with the same ports; `kill`, `pause` and `resume` do to it what a bad day does.
    """

    ready_seconds: float = 20.0
    stop_seconds: float = 5.0
    """How long SIGTERM is given before SIGKILL."""

    def __init__(self, name: str, directory: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.directory = directory
        self.env = dict(env)
        self.log = directory / f"{name}.log"
        self.started_in_seconds = 0.0
        self._process: asyncio.subprocess.Process | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What to run; the files it reads are written here."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it does its work now. A refused connection (OSError) counts as no."""

    @property
    def pid(self) -> int:
        """The process's id, which is its session's and its group's too."""
        if self._process is None:
            msg = f"{self.name} has not been started"
            raise RuntimeError(msg)
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Run it and wait until it is ready.

        Raises ProcessDied or ProcessNotReady, with the end of its log; then, and when cancelled, it is gone again.
        """
        began = time.monotonic()
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid())),
                *self.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.directory,
                env=self.env,
                start_new_session=True,
            )
        finally:
            os.close(log)
        try:
            await self._until_ready()
        except BaseException:
            self.kill()
            await self._process.wait()
            raise
        self.started_in_seconds = time.monotonic() - began

    async def stop(self) -> None:
        """End it: SIGTERM, `stop_seconds` of grace, SIGKILL to whatever is left of its group.

        Does nothing when it has ended already.
        """
        if self._process is None:
            return
        try:
            if self.running:
                self._send_group(signal.SIGCONT)
                self.send(signal.SIGTERM)
                async with asyncio.timeout(self.stop_seconds):
                    await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
            await self._process.wait()

    async def exited(self) -> int:
        """Wait until it has ended by itself or was killed, and give its exit status (minus the signal's number)."""
        if self._process is None:
            msg = f"{self.name} has not been started"
            raise RuntimeError(msg)
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, as `kill <pid>` does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the process and to every process of its group."""
        self._send_group(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP to its whole group: it keeps its connections and answers nothing."""
        self._send_group(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to its whole group."""
        self._send_group(signal.SIGCONT)

    def tail(self) -> str:
        """The last lines of its log, indented."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return "".join(f"\n    {line.rstrip()}" for line in deque(log, TAIL_LINES))

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(self.ready_seconds):
                # Its port, its heartbeat: nothing there would wake us.
                while not await self._answers():  # noqa: ASYNC110
                    await asyncio.sleep(PROBE_SECONDS)
        except TimeoutError as error:
            raise ProcessNotReady(name=self.name, seconds=self.ready_seconds, log=self.log, tail=self.tail()) from error

    async def _answers(self) -> bool:
        if not self.running:
            raise ProcessDied(name=self.name, returncode=await self.exited(), log=self.log, tail=self.tail())
        try:
            return await self.is_ready()
        except OSError:
            return False

    def _send_group(self, number: signal.Signals) -> None:
        # Its number stays reserved while anyone of the group is left, so this never reaches a stranger's process.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process is not None:
                os.killpg(self._process.pid, number)


class OneShot(ManagedProcess):
    """A process that does its work and ends: it is ready when it has ended with 0. `start` does the work again."""

    ready_seconds = 60.0

    async def is_ready(self) -> bool:
        """It has ended well."""
        return not self.running and await self.exited() == 0

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(self.ready_seconds):
                status = await self.exited()
        except TimeoutError as error:
            raise ProcessNotReady(name=self.name, seconds=self.ready_seconds, log=self.log, tail=self.tail()) from error
        if status:
            raise ProcessDied(name=self.name, returncode=status, log=self.log, tail=self.tail())
