"""The values of keys, read on the operator's machine from where the file says that they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.options import Secret


class NoValueError(Exception):
    """There is no key where the reference points to. The message says where that is, and what to do."""


class KeyLinesInvalidError(Exception):
    """The lines with keys cannot be read. The message shows none of them."""


class KeyValues:
    """Reads `env:NAME`, `file:/path` and `stdin:NAME`.

    `given`: the keys that came on stdin; None if none were asked for.
    `source_scheme`: references with it belong to a source of keys that is asked in each call, and have no value here.
    """

    def __init__(self, given: Mapping[str, Secret] | None, source_scheme: str | None) -> None:
        self._given = given
        self._source_scheme = source_scheme

    def read(self, reference: str) -> Secret | None:
        """The key, or None if it is for the source of keys to give. Raises NoValueError."""
        scheme, _, place = reference.partition(":")
        if scheme == self._source_scheme:
            return None
        if scheme == "env":
            return _env(place)
        if scheme == "file":
            return _file(place)
        if scheme == "stdin":
            return self._stdin(place)
        known = ", ".join(f"{name}:…" for name in ("env", "file", "stdin", self._source_scheme) if name)
        # What stands before the colon may be the beginning of a key.
        raise NoValueError(f"a reference is one of {known}; for another one set SWITCHBOARD_KEY_SOURCE")

    def _stdin(self, name: str) -> Secret:
        if self._given is None:
            raise NoValueError(f"give {name}=… on stdin, and say so with --keys -")
        if name not in self._given:
            raise NoValueError(f"no line on stdin begins with {name}=")
        return self._given[name]


def read_lines(lines: Iterable[str]) -> dict[str, Secret]:
    """`NAME=key` on each line; empty lines and those with a # in front are left out. Raises KeyLinesInvalidError."""
    found: dict[str, Secret] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise KeyLinesInvalidError(f"Line {number} of the keys is not NAME=key.")
        if name in found:
            raise KeyLinesInvalidError(f"Line {number} of the keys gives {name} a second time.")
        found[name] = Secret(value)
    return found


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
