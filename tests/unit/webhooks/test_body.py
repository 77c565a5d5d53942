from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import pytest
from starlette.requests import Request
from starlette.types import Message

from webhooks.body import BodyReader
from webhooks.errors import BodyCutShort, BodyTooLarge, BodyTooSlow, TooManyBodies

LIMIT = 1000
HANGUP: Message = {"type": "http.disconnect"}


class Wire:
    """A request whose body arrives in chunks, counting how many were taken."""

    def __init__(self, messages: Iterable[Message], headers: Mapping[str, str]) -> None:
        self.taken = 0
        self._messages = iter(messages)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.request = Request({"type": "http", "method": "POST", "headers": raw}, self._receive)

    async def _receive(self) -> Message:
        self.taken += 1
        return next(self._messages)


def chunks(*parts: bytes) -> list[Message]:
    return [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, start=1)
    ]


def wire(*parts: bytes, length: str | None = None) -> Wire:
    return Wire(chunks(*parts), {} if length is None else {"content-length": length})


@pytest.mark.parametrize("length", [None, str(LIMIT)])
async def test_a_body_up_to_the_limit_is_read_whole(length: str | None) -> None:
    assert (
        await BodyReader(LIMIT).read(wire(b"a" * 400, b"", b"b" * 600, length=length).request)
        == b"a" * 400 + b"b" * 600
    )


async def test_no_body_is_empty() -> None:
    assert await BodyReader(LIMIT).read(wire(b"", length="0").request) == b""


async def test_a_body_in_chunks_without_a_length_is_refused_at_the_limit() -> None:
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        await BodyReader(LIMIT).read(wire(*[b"x" * 100] * 11).request)


async def test_a_body_longer_than_it_said_is_refused_at_the_limit() -> None:
    with pytest.raises(BodyTooLarge):
        await BodyReader(LIMIT).read(wire(b"x" * (LIMIT + 1), length="10").request)


async def test_a_body_that_says_it_is_too_large_is_refused_whatever_comes() -> None:
    with pytest.raises(BodyTooLarge):
        await BodyReader(LIMIT).read(wire(b"x", length=str(LIMIT + 1)).request)


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    mebibyte: Message = {"type": "http.request", "body": bytes(1 << 20), "more_body": True}
    endless = Wire(iter(lambda: mebibyte, None), {})

    with pytest.raises(BodyTooLarge):
        await BodyReader(LIMIT).read(endless.request)

    assert endless.taken < 20


@pytest.mark.parametrize("length", [None, "100", "5000"])
async def test_a_sender_that_hangs_up_cuts_the_body_short(length: str | None) -> None:
    headers = {} if length is None else {"content-length": length}
    start: Message = {"type": "http.request", "body": b"x" * 10, "more_body": True}

    with pytest.raises(BodyCutShort):
        await BodyReader(LIMIT).read(Wire([start, HANGUP], headers).request)


class Stalled:
    """A request whose body never comes to its end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.request = Request({"type": "http", "method": "POST", "headers": []}, self._receive)

    async def _receive(self) -> Message:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_body_that_stalls_is_given_up() -> None:
    with pytest.raises(BodyTooSlow, match=r"within 0\.01 s"):
        await BodyReader(LIMIT, seconds=0.01).read(Stalled().request)


async def test_a_body_over_the_limit_is_not_waited_for_either() -> None:
    stalled = Stalled()
    stalled.request = Request({**stalled.request.scope, "headers": [(b"content-length", b"9999")]}, stalled._receive)
    with pytest.raises(BodyTooSlow):
        await BodyReader(LIMIT, seconds=0.01).read(stalled.request)


async def test_so_many_bodies_are_read_at_once_and_no_more() -> None:
    reader = BodyReader(LIMIT, most_at_once=2)
    stalled = [Stalled(), Stalled()]
    reading = [asyncio.create_task(reader.read(each.request)) for each in stalled]
    for each in stalled:
        await each.asked.wait()
    with pytest.raises(TooManyBodies):
        await reader.read(wire(b"a").request)

    reading[0].cancel()
    await asyncio.wait(reading[:1])
    assert await reader.read(wire(b"a").request) == b"a"
    reading[1].cancel()
    await asyncio.wait(reading)
