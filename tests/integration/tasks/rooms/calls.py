"""One room, RM_1, and an async function for each thing that happens to it."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.rooms import ClaimRefusal, LossCause, OpenResult, RenewResult, RequeueResult, Room, RoomStore, State, keys
from tests.support.rooms import open_some_room

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
) -> OpenResult:
    return await open_some_room(
        rooms,
        sid,
        name="call-acme-1",
        queue=QUEUE,
        message=message(attempt) if content is None else content,
        started_at_ms=1000,
        received_at_ms=2000,
        attempt=attempt,
        replay=replay,
        ended_before_ms=ended_before_ms,
    )


async def take(rooms: RoomStore) -> str | None:
    """Take the message from the queue, as a worker does. After that it is in no queue."""
    taken: str | None = await rooms.redis.rpop(QUEUE)  # type: ignore[assignment]
    return taken


async def claim(rooms: RoomStore, attempt: int = 1, *, claimant: str = "a") -> Room | ClaimRefusal:
    return await rooms.claim(SID, attempt, claimant=claimant, worker="celery@one", pid=7)


async def requeue(
    rooms: RoomStore, attempt: int = 1, *, max_attempts: int = 5, cause: LossCause = LossCause.FAILED
) -> RequeueResult:
    next_one = message(attempt + 1)
    return await rooms.requeue(
        SID, attempt, queue=QUEUE, message=next_one, reason="it crashed", max_attempts=max_attempts, cause=cause
    )


async def run(rooms: RoomStore, attempt: int = 1) -> None:
    """Take the message and claim the room, as a worker does, after its delay if it has one."""
    await rooms.redis.zadd(keys.DELAYED, {SID: 0}, xx=True)
    await rooms.queue_delayed_rooms(1)
    assert await take(rooms) == message(attempt).decode()
    assert isinstance(await claim(rooms, attempt, claimant=f"of {attempt}"), Room)


async def end(rooms: RoomStore, attempt: int = 1) -> int:
    """End the call of a room that was opened before. Returns when it ended, unix ms."""
    assert await rooms.end(SID, attempt, outcome="room empty")
    return (await get(rooms)).steps_ms["ended"]


async def dead_letter(rooms: RoomStore, attempt: int = 1) -> None:
    assert await rooms.dead_letter(SID, attempt=attempt, reason="no such provider")


async def get(rooms: RoomStore, sid: str = SID) -> Room:
    room = await rooms.get(sid)
    assert room is not None
    return room


async def state(rooms: RoomStore, sid: str = SID) -> State:
    return (await get(rooms, sid)).state


async def queued_messages(rooms: RoomStore) -> list[str]:
    """Return the messages of the queue, in the order in which workers take them."""
    return [str(found) for found in await rooms.redis.lrange(QUEUE, 0, -1)][::-1]


async def record_steps(
    rooms: RoomStore, sid: str, attempt: int, steps: Mapping[str, int], *, claimant: str = ""
) -> bool:
    """Record steps with a renewal. Returns False if the attempt is stale."""
    return await rooms.renew(sid, attempt, steps=steps, claimant=claimant) is not RenewResult.LOST


async def save_conversation(rooms: RoomStore, sid: str, attempt: int, encrypted: bytes, *, claimant: str = "") -> bool:
    """Save a conversation with a renewal. Returns False if the attempt is stale."""
    return await rooms.renew(sid, attempt, conversation=encrypted, claimant=claimant) is not RenewResult.LOST
