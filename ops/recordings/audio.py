"""The audio of an attempt, as a stream, and as an HTTP response with ranges (RFC 9110), which players ask for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ops.recordings.chunk_cipher import CHUNK, HEADER, TAG, Decryption, key_number, locate
from ops.recordings.content import KeySet
from ops.recordings.object_store import READ, ObjectStore

CONTENT_TYPE = "audio/ogg"
PARTIAL, UNSATISFIABLE = 206, 416
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio of an attempt. `size`: of the content. `encrypted_size`: of the object, 0 if it is not encrypted."""

    objects: ObjectStore
    path: str
    size: int
    encrypted_size: int
    keys: KeySet

    async def read(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from `begin` up to `end`. Raises RecordingUnavailable, RecordingNotFound, NotDecryptable."""
        end = self.size if end is None else min(end, self.size)
        if self.encrypted_size:
            async for data in self._decrypted(begin, end):
                yield data
            return
        for start in range(begin, end, READ):
            yield await self.objects.read(self.path, start, min(end, start + READ))

    async def _decrypted(self, begin: int, end: int) -> AsyncIterator[bytes]:
        header = await self.objects.read(self.path, 0, HEADER)
        key = self.keys.key(key_number(header))
        decryption = Decryption(header, key=key, path=self.path, size=self.encrypted_size)
        wanted = locate(begin, end, self.encrypted_size)
        index, position = wanted.first_chunk, wanted.first_chunk * CHUNK
        chunk = CHUNK + TAG
        for start in range(wanted.begin, wanted.end, READ // CHUNK * chunk):
            stop = min(wanted.end, start + READ // CHUNK * chunk)
            data = await self.objects.read(self.path, start, stop)
            for offset in range(0, len(data), chunk):
                content = decryption.decrypt(index, data[offset : offset + chunk])
                yield content[max(0, begin - position) : end - position]
                index, position = index + 1, position + len(content)


async def respond(audio: Audio, request: Request, *, etag: str, download: str | None = None) -> Response:
    """Return the response to a GET or HEAD for the audio, or the part of it that `Range` asks for.

    `download`: the name of the file that a browser is to save it as.
    """
    headers = {
        "accept-ranges": "bytes",
        "content-type": CONTENT_TYPE,
        "cache-control": "private, no-store",
        "etag": etag,
        "x-content-type-options": "nosniff",
    }
    if download is not None:
        headers["content-disposition"] = f'attachment; filename="{re.sub(r"[^A-Za-z0-9._-]", "_", download)}"'
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", etag) != etag or (found := _RANGE.fullmatch(wanted)) is None:
        # Several ranges at once, or another unit: the whole is an answer to that, too.
        begin, end, status = 0, audio.size, 200
    else:
        begin, end = _bounds(found[1], found[2], audio.size)
        status = PARTIAL
        if begin >= end:
            return Response(status_code=UNSATISFIABLE, headers=headers | {"content-range": f"bytes */{audio.size}"})
        headers["content-range"] = f"bytes {begin}-{end - 1}/{audio.size}"
    headers["content-length"] = str(end - begin)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    parts = audio.read(begin, end)
    # Before the headers are sent: an object that is not there is an error of its own, and no broken response.
    first = await anext(parts, b"")
    return StreamingResponse(_after(first, parts), status_code=status, headers=headers)


async def _after(first: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for data in parts:
        yield data


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return (size, size) if not last else (max(0, size - int(last)), size)
    return int(first), min(size, int(last) + 1) if last else size
