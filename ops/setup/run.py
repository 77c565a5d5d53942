"""Run a tool that takes its time, and follow its output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ops.setup.errors import SetupError

# As a file, because its package needs more than a bare Python has.
DIE_WITH_PARENT = Path(__file__).parents[1] / "stack" / "die_with_parent.py"
TICK_SECONDS = 1.0
REMEMBERED_LINES = 20
GRACE_SECONDS = 5.0


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    on_line: Callable[[str], None] = lambda _: None,
    on_tick: Callable[[], None] = lambda: None,
) -> str:
    """Run `command` to its end and return what it wrote to stdout.

    `on_line` is given each line of its stderr, and `on_tick` is called about once a second. Whatever ends this function
    early, Ctrl-C included, ends the command and its children first. A SetupError holds the last lines of stderr.
    """
    # Should a signal come before `process` is assigned here, the command still ends with this process.
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(DIE_WITH_PARENT), str(os.getpid()), *command],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, last_lines = _listen(process, on_line, on_tick)
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if code:
        said = "\n".join(f"  {line}" for line in last_lines)
        raise SetupError(f"`{' '.join(command)}` failed with exit code {code}:\n{said}")
    return stdout


def _listen(
    process: subprocess.Popen[bytes], on_line: Callable[[str], None], on_tick: Callable[[], None]
) -> tuple[str, deque[str]]:
    stdout = bytearray()
    rest = b""
    last_lines: deque[str] = deque(maxlen=REMEMBERED_LINES)
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(TICK_SECONDS):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    stdout += data
                else:
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        text = line.decode(errors="replace")
                        last_lines.append(text)
                        on_line(text)
            on_tick()
    if rest:
        last_lines.append(rest.decode(errors="replace"))
    return stdout.decode(errors="replace"), last_lines


def _end(process: subprocess.Popen[bytes]) -> None:
    # The whole group: `go build` has compilers under it, pip has pip under it.
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
