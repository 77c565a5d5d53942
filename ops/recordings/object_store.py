"""The object store for audio: a folder, or a bucket of S3, Google Cloud Storage or Azure.

The credentials of a bucket are those of its own tools, in the environment: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, a
role of the machine, and so on, as obstore reads them. An object is there as a whole or not at all: what was written of
one whose upload broke off is removed, of a bucket by the server.
"""

from __future__ import annotations

import os
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


class RecordingUnavailable(SwitchboardError):
    """The object store of the recordings does not answer, or refuses: {error}. Check SWITCHBOARD_RECORDINGS_URL."""

    retryable = True


class RecordingNotFound(SwitchboardError):
    """There is no such recording."""


class ObjectStore:
    """An object store. Every method raises RecordingUnavailable."""

    def __init__(self, url: str) -> None:
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
            await obstore.put_async(self._store, path, counted(), chunk_size=PART, max_concurrency=1)
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
        raise RecordingUnavailable(error=str(error).partition("\n")[0]) from error
