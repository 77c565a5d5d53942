"""A replay of many calls at once: one thread, one epoll, one connection for each call, nothing but recorded bytes."""

from __future__ import annotations

import heapq
import select
import socket
import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.bench.scaling.recording import Recording, Request

RECEIVE = 1 << 16
MAX_OPEN = 20_000
PLUS, MINUS, COLON, DOLLAR, STAR = b"+-:$*"


@dataclass(slots=True)
class Replies:
    """Statistics of the replies. `latencies_ms`: by step, from the time at which it was due or possible."""

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    requests: int = 0
    errors: int = 0
    ended: int = 0


class _Call:
    __slots__ = ("began", "buffer", "due", "next", "socket", "substitutions")

    def __init__(self, connection: socket.socket, began: float, substitutions: tuple[tuple[bytes, bytes], ...]) -> None:
        self.socket = connection
        self.began = began
        self.substitutions = substitutions
        self.next = 0
        self.due = began
        self.buffer = b""


class Replay:
    """A replayer of one recorded call. `call_seconds`: the length of a replayed call, with all its requests."""

    def __init__(self, recording: Recording, address: tuple[str, int], password: str, call_seconds: float) -> None:
        self._recording = recording
        self._address = address
        login = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(password), password.encode())
        first, *rest = recording.requests
        self._requests = (Request(first.step, login + first.payload, first.replies + 1, first.at), *rest)
        self._offsets = [request.at * call_seconds / recording.requests[-1].at for request in recording.requests]
        example = recording.substitutions(b"x" * len(recording.sid))
        self._substituted = [
            tuple(number for number, (old, _) in enumerate(example) if old in request.payload)
            for request in self._requests
        ]
        self._number = 0
        self._poll = select.epoll()
        self._calls: dict[int, _Call] = {}
        self._due: list[tuple[float, int, _Call]] = []

    def run(self, rate: float, seconds: float) -> Replies:
        """Begin calls at this rate for so long. Unfinished calls go on in the next run."""
        replies = Replies()
        now = time.perf_counter()
        end, next_begin = now + seconds, now
        while now < end:
            while next_begin <= now and len(self._calls) < MAX_OPEN:
                self._begin(next_begin)
                next_begin += 1 / rate
            self._step(min(next_begin, end) - now, replies)
            now = time.perf_counter()
        return replies

    def finish(self, seconds: float) -> bool:
        """Begin no more calls. Return whether all calls have ended within the time."""
        replies, end = Replies(), time.perf_counter() + seconds
        while self._calls and time.perf_counter() < end:
            self._step(0.05, replies)
        return not self._calls

    def close(self) -> None:
        """Close the connections of all calls."""
        for call in self._calls.values():
            call.socket.close()
        self._poll.close()

    def _step(self, timeout: float, replies: Replies) -> None:
        now = time.perf_counter()
        while self._due and self._due[0][0] <= now:
            self._send(heapq.heappop(self._due)[2])
        if self._due:
            timeout = min(timeout, self._due[0][0] - now)
        for number, _ in self._poll.poll(max(0.0, timeout)):
            self._receive(self._calls[number], replies)

    def _begin(self, when: float) -> None:
        self._number += 1
        connection = socket.create_connection(self._address)
        connection.setblocking(False)  # noqa: FBT003 - socket's own
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sid = b"RM_" + str(self._number).encode().rjust(len(self._recording.sid) - 3, b"x")
        call = _Call(connection, when, self._recording.substitutions(sid))
        self._calls[connection.fileno()] = call
        self._poll.register(connection, select.EPOLLIN)
        self._send(call)

    def _send(self, call: _Call) -> None:
        payload = self._requests[call.next].payload
        for number in self._substituted[call.next]:
            payload = payload.replace(*call.substitutions[number])
        # Never blocks: it is less than a socket's buffer, which is empty.
        call.socket.send(payload)

    def _receive(self, call: _Call, replies: Replies) -> None:
        call.buffer += call.socket.recv(RECEIVE)
        request = self._requests[call.next]
        offset = 0
        for _ in range(request.replies):
            if call.buffer[offset : offset + 1] == b"-":
                replies.errors += 1
            offset = _end(call.buffer, offset)
            if offset < 0:
                return
        now = time.perf_counter()
        call.buffer = call.buffer[offset:]
        replies.requests += 1
        replies.latencies_ms[request.step].append((now - call.due) * 1000)
        call.next += 1
        if call.next == len(self._requests):
            replies.ended += 1
            number = call.socket.fileno()
            self._poll.unregister(number)
            del self._calls[number]
            call.socket.close()
            return
        call.due = max(now, call.began + self._offsets[call.next])
        if call.due <= now:
            self._send(call)
        else:
            heapq.heappush(self._due, (call.due, call.socket.fileno(), call))


def _end(buffer: bytes, offset: int) -> int:
    """Return the end of the reply that begins at the offset, or -1 if it is not complete yet."""
    line = buffer.find(b"\r\n", offset)
    if line < 0:
        return -1
    kind, after = buffer[offset], line + 2
    if kind in {PLUS, MINUS, COLON}:
        return after
    size = int(buffer[offset + 1 : line])
    if size < 0:
        return after
    if kind == DOLLAR:
        return after + size + 2 if len(buffer) >= after + size + 2 else -1
    for _ in range(size):
        after = _end(buffer, after)
        if after < 0:
            return -1
    return after
