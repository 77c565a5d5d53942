"""Debian's PostgreSQL: a cluster of a test's own, as a user who is not root, on loopback.

Its default collation is ICU's of English, because that of many servers is not bytewise either.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import psutil
import psycopg
import pytest

from ops.stack.ports import HOST, PortPicker

INSTALLED = Path("/usr/lib/postgresql")
USER = "postgres"
START_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # What a loss of power would take is no matter here. A process that is killed loses nothing.
    "fsync": "off",
    "max_connections": "40",
    "shared_buffers": "64MB",
}


def programs() -> Path:
    """Return the folder of the newest version's programs. Skips the test if there is none, or fails it in CI."""
    found = sorted(INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name))
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no PostgreSQL: apt-get install postgresql")
    return found[-1].parent


class Postgres:
    """A PostgreSQL server. `kill`, `pause` and `start` may be called at any time; it comes back on its port."""

    def __init__(self) -> None:
        self._programs = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="switchboard-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self.port = PortPicker().pick()
        # pytest's own folders are closed to other users, and initdb refuses root.
        self._user: str | None = None
        if os.geteuid() == 0:
            self._user = USER
            shutil.chown(self._folder, USER)
        self._run("initdb", "--no-sync", "--auth=trust", f"--username={USER}", "--encoding=UTF8", *self._locale())

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, and return when it answers."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user(), self._programs / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self._folder / "log").read_text("utf-8")[-2000:]) from None
                time.sleep(0.05)
            else:
                return

    def create_database(self, template: str = "template1") -> str:
        """Create a database, as a copy of another one, and return its URL."""
        name = f"records_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.url(name)

    def kill(self) -> None:
        """Kill all its processes."""
        if self._process is not None:
            self._signal_all(signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """Stop all its processes: they keep their connections and answer nothing."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let all its processes go on."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """End the server, and remove its files."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        # Each of them has a session of its own.
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            for process in (server, *server.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def _locale(self) -> list[str]:
        help_text = subprocess.run([self._programs / "initdb", "--help"], capture_output=True, text=True, check=True)
        icu = re.search(r"--icu-locale", help_text.stdout)
        return ["--locale=C.UTF-8", *(["--locale-provider=icu", "--icu-locale=en"] if icu else [])]

    def _as_user(self) -> list[str]:
        # The kernel takes back an earlier wish to die with the parent where a process changes its user.
        become = [f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"] if self._user else []
        return ["setpriv", *become, "--pdeathsig", "QUIT", "--"]

    def _run(self, program: str, *arguments: str) -> None:
        command: list[str | Path] = [*self._as_user(), self._programs / program, "-D", self._data, *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
