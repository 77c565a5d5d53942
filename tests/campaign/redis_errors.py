"""Requests to Redis, split from a stream, and replaced by requests for an error where Redis shall refuse them.

Redis itself gives the error: each request that is to be refused is replaced by a script that returns it. So answers
stay in order, also in a pipeline and behind a request that blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

CONNECTING = frozenset({b"AUTH", b"HELLO", b"CLIENT", b"SELECT", b"QUIT", b"READONLY"})
"""Requests of a client that connects. They are let through, as Redis does while it loads its data."""
TRANSACTION, TRANSACTION_ENDS = b"MULTI", frozenset({b"EXEC", b"DISCARD"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its command in capitals, and its bytes."""

    command: bytes
    raw: bytes


class RequestSplitter:
    """The requests of one connection, in the protocol of Redis. `feed` keeps what is not complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that are complete now."""
        self._rest += data
        requests = []
        while (request := self._take()) is not None:
            requests.append(request)
        return requests

    def _take(self) -> Request | None:
        line, found, _ = self._rest.partition(b"\r\n")
        if not found:
            return None
        position = len(line) + 2
        if not line.startswith(b"*"):
            return self._cut(line.split(b" ")[0], position)
        command = b""
        for index in range(int(line[1:])):
            length, found, _ = self._rest[position : position + 32].partition(b"\r\n")
            if not found:
                return None
            begin = position + len(length) + 2
            position = begin + int(length[1:]) + 2
            if len(self._rest) < position:
                return None
            if index == 0:
                command = self._rest[begin : position - 2]
        return self._cut(command, position)

    def _cut(self, command: bytes, end: int) -> Request:
        raw, self._rest = self._rest[:end], self._rest[end:]
        return Request(command.upper(), raw)


class ErrorInjector:
    """The requests of one connection, as they are sent on to Redis. A transaction that has begun is let through."""

    def __init__(self) -> None:
        self._splitter = RequestSplitter()
        self._in_transaction = False

    def feed(self, data: bytes, error: str) -> bytes:
        """Return what to send on. `error`: the error to ask for instead of each request, or ""."""
        return b"".join(self._replaced(request, error) for request in self._splitter.feed(data))

    def _replaced(self, request: Request, error: str) -> bytes:
        if self._in_transaction:
            self._in_transaction = request.command not in TRANSACTION_ENDS
            return request.raw
        if not error or request.command in CONNECTING:
            self._in_transaction = request.command == TRANSACTION
            return request.raw
        return encoded(b"EVAL", b"return redis.error_reply(ARGV[1])", b"0", error.encode())


def encoded(*words: bytes) -> bytes:
    """Return a request as it is sent."""
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)])
