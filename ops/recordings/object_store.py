"""The object store for audio: a folder, or a bucket of S3, Google Cloud Storage or Azure.

The credentials of a bucket are those of its own tools, in the environment: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, a
role of the machine, and so on, as obstore reads them. An object is there as a whole or not at all: what was written of
one whose upload broke off is removed, of a bucket by the server.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from tasks.errors import SwitchboardError

PART = 5 << 20
"""The least size of a part of an object in S3. So much of an upload is in memory, and once more while it is sent."""
READ = 1 << 20
PRIVATE = 0o700
NO_VERSION = "null"
"""The version of an object that was written while the bucket's versioning was suspended."""
_CODE = re.compile(r"<Code>(\w+)</Code>")

logger = logging.getLogger("switchboard.ops.console")


class RecordingUnavailable(SwitchboardError):
    """The object store of the recordings does not answer, or refuses: {error}. Check SWITCHBOARD_RECORDINGS_URL."""

    retryable = True


class RecordingNotFound(SwitchboardError):
    """There is no such recording."""


class ObjectStore:
    """An object store. Every method raises RecordingUnavailable."""

    def __init__(self, url: str) -> None:
        self._warned = False
        with _translated():
            self._store = _folder(url) if url.startswith("file://") else from_url(url, client_options=_plain_http())

    async def put(self, path: str, content: AsyncIterator[bytes]) -> int:
        """Write an object, part after part, and return its size. What `content` raises leaves no object."""
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for data in content:
                size += len(data)
                yield data

        with _translated():
            try:
                written = await obstore.put_async(self._store, path, counted(), chunk_size=PART, max_concurrency=1)
            except FileNotFoundError as error:
                # It is the bucket that is missing.
                raise RecordingUnavailable(error=_message(error)) from error
        self._check_version(written["version"])
        return size

    async def size(self, path: str) -> int:
        """Return the size of an object. Raises RecordingNotFound."""
        with _translated():
            return int((await obstore.head_async(self._store, path))["size"])

    async def read(self, path: str, begin: int, end: int) -> bytes:
        """Return the bytes of an object from `begin` up to `end`. Raises RecordingNotFound."""
        if begin == end:
            return b""
        with _translated():
            return bytes(await obstore.get_range_async(self._store, path, start=begin, end=end))

    async def delete_below(self, folder: str, beginning: str = "") -> int:
        """Delete every object in this folder whose name begins like this. Returns their number."""
        with _translated():
            listed = await obstore.list(self._store, f"{folder}/").collect_async()
            paths = [found["path"] for found in listed if found["path"].rpartition("/")[2].startswith(beginning)]
            if paths:
                await obstore.delete_async(self._store, paths)
        return len(paths)

    async def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        with _translated():
            try:
                await obstore.delete_async(self._store, path)
            except FileNotFoundError:
                return

    def _check_version(self, version: str | None) -> None:
        # Deleting an object of such a bucket hides it, and all of it stays: nothing would be erased, or expire.
        if version is not None and version != NO_VERSION and not self._warned:
            self._warned = True
            logger.warning("the bucket keeps what is deleted: switch its versioning off")


def _folder(url: str) -> LocalStore:
    folder = unquote(urlsplit(url).path)
    os.makedirs(folder, mode=PRIVATE, exist_ok=True)  # noqa: PTH103 - mode counts for the folders above, too
    return LocalStore(folder, automatic_cleanup=True)


def _plain_http() -> Any:
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    return {"allow_http": endpoint.startswith("http://")}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RecordingNotFound from None
    except (BaseError, OSError) as error:
        raise RecordingUnavailable(error=_message(error)) from error


def _message(error: Exception) -> str:
    # What S3 says is XML, which begins in the first line; its code says more than the status before it.
    text = str(error)
    code = _CODE.search(text)
    line = text.partition("\n")[0].partition("<?xml")[0].rstrip(": ")
    return f"{line}: {code[1]}" if code else line or type(error).__name__
