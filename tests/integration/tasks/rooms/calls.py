"""One room, RM_1, and what happens to it, each in one word."""

from __future__ import annotations

from tasks.rooms import Found, Losing, Lost, Refusal, Room, RoomStore, State

SID = "RM_1"
QUEUE = "premium"


def message(attempt: int) -> bytes:
    return b"attempt %d" % attempt


async def open_room(
    rooms: RoomStore,
    sid: str = SID,
    *,
    attempt: int = 1,
    replay: bool = False,
    ended_before_ms: int | None = None,
    content: bytes | None = None,
) -> Found:
    return await rooms.open(
        sid=sid,
        name="call-acme-1",
        tenant="acme",
        tier="premium",
        queue=QUEUE,
        message=message(attempt) if content is None else content,
        started_at_ms=1000,
        received_at_ms=2000,
        attempt=attempt,
        replay=replay,
        ended_before_ms=ended_before_ms,
    )


async def take(rooms: RoomStore) -> str | None:
    """What a worker does first: the task is in no queue after that."""
    taken: str | None = await rooms.redis.rpop(QUEUE)  # type: ignore[assignment]
    return taken


async def claim(rooms: RoomStore, attempt: int = 1, *, claimant: str = "a") -> Room | Refusal:
    answer = await rooms.claim(SID, attempt, claimant=claimant, worker="celery@one", pid=7)
    return answer if isinstance(answer, Refusal) else answer.room


async def lose(rooms: RoomStore, attempt: int = 1, *, max_attempts: int = 5, how: Losing = Losing.FAILED) -> Lost:
    next_one = message(attempt + 1)
    return await rooms.lose(
        SID, attempt, queue=QUEUE, message=next_one, reason="it crashed", max_attempts=max_attempts, how=how
    )


async def run(rooms: RoomStore, attempt: int = 1) -> None:
    """A worker takes the task and claims the room."""
    assert await take(rooms) == message(attempt).decode()
    assert isinstance(await claim(rooms, attempt, claimant=f"of {attempt}"), Room)


async def end(rooms: RoomStore, attempt: int = 1) -> int:
    """Opened before, the call ends. When it did, unix ms."""
    assert await rooms.end(SID, attempt, outcome="room empty", usage="[]")
    return (await get(rooms)).steps_ms["ended"]


async def die(rooms: RoomStore, attempt: int = 1) -> None:
    assert await rooms.bury(SID, attempt=attempt, name="n", tenant="acme", tier="premium", reason="no such provider")


async def get(rooms: RoomStore, sid: str = SID) -> Room:
    room = await rooms.get(sid)
    assert room is not None
    return room


async def state(rooms: RoomStore, sid: str = SID) -> State:
    return (await get(rooms, sid)).state


async def waiting(rooms: RoomStore) -> list[str]:
    """The messages of the queue, in the order in which workers take them."""
    return [str(found) for found in await rooms.redis.lrange(QUEUE, 0, -1)][::-1]
