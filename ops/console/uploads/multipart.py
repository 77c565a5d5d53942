"""The parts of a multipart body, one after another, as they arrive: none is kept as a whole."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ops.console.uploads.errors import BrokenOff, Malformed, TooLarge


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str


@dataclass(frozen=True, slots=True)
class _Data:
    data: bytes


@dataclass(frozen=True, slots=True)
class _End:
    of_body: bool = False


@dataclass(slots=True)
class _Header:
    name: bytes = b""
    value: bytes = b""
    all: dict[bytes, bytes] = field(default_factory=dict)


class MultipartReader:
    """Reads the parts of a body. Each method raises Malformed, and what reading the body raises."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise Malformed(problem="it is no multipart/form-data with a boundary")
        self._body = body
        self._events: deque[_Begin | _Data | _End] = deque()
        self._header = _Header()
        self._over = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, begin, end: self._extend("name", data[begin:end]),
                "on_header_value": lambda data, begin, end: self._extend("value", data[begin:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": lambda data, begin, end: self._events.append(_Data(data[begin:end])),
                "on_part_end": lambda: self._events.append(_End()),
                "on_end": lambda: self._events.append(_End(of_body=True)),
            },
        )

    async def next_part(self) -> str | None:
        """Return the name of the next part, once what is left of the one before is read; None after the last one."""
        while (event := await self._next()) is not None:
            if isinstance(event, _Begin):
                return event.name
        return None

    async def data(self) -> AsyncIterator[bytes]:
        """Yield the content of the part. Raises BrokenOff if it does not come to its end."""
        while isinstance(event := await self._next(), _Data):
            yield event.data

    async def whole(self, limit: int) -> bytes:
        """Return the content of a part that is short. Raises TooLarge."""
        content = bytearray()
        async for data in self.data():
            content += data
            if len(content) > limit:
                raise TooLarge(limit=limit)
        return bytes(content)

    async def _next(self) -> _Begin | _Data | _End | None:
        while not self._events:
            if self._over:
                return None
            data = await anext(self._body, None)
            if data is None:
                raise BrokenOff(problem="a part of it is missing")
            try:
                self._parser.write(data)
            except MultipartParseError as error:
                raise Malformed(problem=str(error)) from None
        event = self._events.popleft()
        if isinstance(event, _End) and event.of_body:
            self._over = True
            return None
        return event

    def _begin_part(self) -> None:
        self._header = _Header()

    def _extend(self, part: str, data: bytes) -> None:
        setattr(self._header, part, getattr(self._header, part) + data)

    def _end_header(self) -> None:
        header = self._header
        header.all[header.name.lower()] = header.value
        header.name = header.value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._header.all.get(b"content-disposition"))
        self._events.append(_Begin(options.get(b"name", b"").decode("latin-1")))
