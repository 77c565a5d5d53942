"""Provider keys, read on the operator's machine from the locations that the tenants file names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.options import Secret


class NoValueError(Exception):
    """Raised when a reference leads to no key. The message names the location and the cure."""


class KeyLinesInvalidError(Exception):
    """Raised when the lines with keys cannot be read. The message shows no key."""


class KeyValues:
    """A reader of the references `env:NAME`, `file:/path` and `stdin:NAME`.

    `from_stdin`: keys that were read from stdin, by name; None without --keys.
    `source_scheme`: scheme of the configured key source. Its keys are read in each call, and not here.
    """

    def __init__(self, from_stdin: Mapping[str, Secret] | None, source_scheme: str | None) -> None:
        self._from_stdin = from_stdin
        self._source_scheme = source_scheme

    def read(self, reference: str) -> Secret | None:
        """Return the key, or None if the key source has it. Raises NoValueError."""
        scheme, _, location = reference.partition(":")
        if scheme == self._source_scheme:
            return None
        if scheme == "env":
            return _env(location)
        if scheme == "file":
            return _file(location)
        if scheme == "stdin":
            return self._stdin(location)
        known = ", ".join(f"{name}:…" for name in ("env", "file", "stdin", self._source_scheme) if name)
        # The scheme is not quoted: it may be the beginning of a key.
        raise NoValueError(f"a reference is one of {known}; for another one set SWITCHBOARD_KEY_SOURCE")

    def _stdin(self, name: str) -> Secret:
        if self._from_stdin is None:
            raise NoValueError(f"write {name}=… to stdin, and add --keys -")
        if name not in self._from_stdin:
            raise NoValueError(f"no line on stdin begins with {name}=")
        return self._from_stdin[name]


def read_lines(lines: Iterable[str]) -> dict[str, Secret]:
    """Parse lines `NAME=key`, skipping empty lines and those that begin with #. Raises KeyLinesInvalidError."""
    keys: dict[str, Secret] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise KeyLinesInvalidError(f"Line {number} of the keys is not NAME=key.")
        if name in keys:
            raise KeyLinesInvalidError(f"Line {number} of the keys has {name} a second time.")
        keys[name] = Secret(value)
    return keys


def _env(name: str) -> Secret:
    value = os.environ.get(name, "").strip()
    if not value:
        raise NoValueError(f"the environment variable {name} is not set here")
    return Secret(value)


def _file(path: str) -> Secret:
    try:
        value = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise NoValueError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NoValueError(f"{path} is not text") from error
    if not value:
        raise NoValueError(f"the file {path} is empty")
    return Secret(value)
