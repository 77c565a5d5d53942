"""Many calls at once, as bytes: one thread, one epoll, one connection for each call, nothing but what was recorded."""

from __future__ import annotations

import heapq
import select
import socket
import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.bench.scaling.recording import Recording, Request

RECEIVE = 1 << 16
MOST_OPEN = 20_000
PLUS, MINUS, COLON, DOLLAR, STAR = b"+-:$*"


@dataclass(slots=True)
class Heard:
    """What came back. `latencies_ms`: by step, from when it was due, or was possible, until its last reply."""

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    requests: int = 0
    errors: int = 0
    ended: int = 0


class _Call:
    __slots__ = ("arrived", "due", "following", "got", "own", "reads", "socket")

    def __init__(self, connection: socket.socket, arrived: float, own: tuple[tuple[bytes, bytes], ...]) -> None:
        self.socket = connection
        self.arrived = arrived
        self.own = own
        self.following = 0
        self.due = arrived
        self.got = b""
        self.reads = False


class Replay:
    """`played_seconds`: how long a call lasts here; all that it says in its real length is said in this."""

    def __init__(self, recording: Recording, address: tuple[str, int], password: str, played_seconds: float) -> None:
        self._recording = recording
        self._address = address
        login = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(password), password.encode())
        first, *rest = recording.requests
        self._requests = (Request(first.step, login + first.payload, first.replies + 1, first.at), *rest)
        self._offsets = [request.at * played_seconds / recording.requests[-1].at for request in recording.requests]
        example = recording.own(b"x" * len(recording.sid))
        self._replaced = [
            tuple(number for number, (old, _) in enumerate(example) if old in request.payload)
            for request in self._requests
        ]
        self._number = 0
        self._poll = select.epoll()
        self._calls: dict[int, _Call] = {}
        self._due: list[tuple[float, int, _Call]] = []

    def run(self, rate: float, seconds: float) -> Heard:
        """Calls come at that rate for so long; those that are there go on with the next run."""
        heard = Heard()
        now = time.perf_counter()
        end, arrival = now + seconds, now
        while now < end:
            while arrival <= now and len(self._calls) < MOST_OPEN:
                self._arrive(arrival)
                arrival += 1 / rate
            self._turn(min(arrival, end) - now, heard)
            now = time.perf_counter()
        return heard

    def finish(self, seconds: float) -> bool:
        """No more calls come. Whether those that are there end within the time."""
        heard, end = Heard(), time.perf_counter() + seconds
        while self._calls and time.perf_counter() < end:
            self._turn(0.05, heard)
        return not self._calls

    def close(self) -> None:
        """Leave whoever is still there."""
        for call in self._calls.values():
            call.socket.close()
        self._poll.close()

    def _turn(self, patience: float, heard: Heard) -> None:
        now = time.perf_counter()
        while self._due and self._due[0][0] <= now:
            self._send(heapq.heappop(self._due)[2])
        if self._due:
            patience = min(patience, self._due[0][0] - now)
        for number, _ in self._poll.poll(max(0.0, patience)):
            self._receive(self._calls[number], heard)

    def _arrive(self, when: float) -> None:
        self._number += 1
        connection = socket.create_connection(self._address)
        connection.setblocking(False)  # noqa: FBT003 - socket's own
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sid = b"RM_" + str(self._number).encode().rjust(len(self._recording.sid) - 3, b"x")
        call = _Call(connection, when, self._recording.own(sid))
        self._calls[connection.fileno()] = call
        self._poll.register(connection, select.EPOLLIN)
        self._send(call)

    def _send(self, call: _Call) -> None:
        payload = self._requests[call.following].payload
        for number in self._replaced[call.following]:
            payload = payload.replace(*call.own[number])
        # Less than a socket's buffer, and nothing else is under way on it.
        call.socket.send(payload)

    def _receive(self, call: _Call, heard: Heard) -> None:
        call.got += call.socket.recv(RECEIVE)
        request = self._requests[call.following]
        place = 0
        for _ in range(request.replies):
            if call.got[place : place + 1] == b"-":
                heard.errors += 1
            place = _end(call.got, place)
            if place < 0:
                return
        now = time.perf_counter()
        call.got = call.got[place:]
        heard.requests += 1
        heard.latencies_ms[request.step].append((now - call.due) * 1000)
        call.following += 1
        if call.following == len(self._requests):
            heard.ended += 1
            number = call.socket.fileno()
            self._poll.unregister(number)
            del self._calls[number]
            call.socket.close()
            return
        call.due = max(now, call.arrived + self._offsets[call.following])
        if call.due <= now:
            self._send(call)
        else:
            heapq.heappush(self._due, (call.due, call.socket.fileno(), call))


def _end(got: bytes, place: int) -> int:
    """Where the reply that begins at the place ends, or -1 if it is not all there yet."""
    line = got.find(b"\r\n", place)
    if line < 0:
        return -1
    kind, after = got[place], line + 2
    if kind in {PLUS, MINUS, COLON}:
        return after
    size = int(got[place + 1 : line])
    if size < 0:
        return after
    if kind == DOLLAR:
        return after + size + 2 if len(got) >= after + size + 2 else -1
    for _ in range(size):
        after = _end(got, after)
        if after < 0:
            return -1
    return after
