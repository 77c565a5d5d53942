"""Which call is where: the state of each room in Redis, and the lease that makes one agent out of many attempts.

A room is known by its sid, because LiveKit reuses names. Its state changes only inside Lua scripts (one file each,
beside this one), with Redis' own clock, so that no two processes can disagree about who came first.

    queued -> running -> ended
    queued -> cancelled                     the room finished before a worker took it
    running -> queued, attempt + 1          the call was lost; its task goes to the front of the queue
    running -> dead, queued -> dead         it cannot be answered: a dead letter says why

Opening a room and enqueuing its task is one step: the script that writes `queued` pushes the Celery message onto the
queue's list in the same breath. There is no moment in which one exists without the other, so a webhook that is
delivered ten times makes one task, and a receiver that dies between the two cannot lose a call.

A worker's child claims (sid, attempt). The claim succeeds once. With it comes a lease, which lasts `lease_ttl_ms` and
is renewed by the child's event loop, so that a hung call loses it too. `attempt` is the fencing token: every write
after the claim carries it, and a write with a stale attempt changes nothing and says so.

The keyspace, and how long each key lives:

    switchboard:room:<sid>     hash    the room; a day while open, an hour after it is over
    switchboard:rooms          zset    open rooms by the time they were opened; permanent
    switchboard:leases         zset    running rooms by the time their lease ends; permanent
    switchboard:calls          stream  a record of each ended call, capped; permanent
    switchboard:dead           stream  dead letters, capped; permanent
    switchboard:reconciler     string  the receiver that reconciles; seconds
    switchboard:worker:<node>  hash    a worker's heartbeat; seconds
    <queue>                    list    Celery's messages, newest on the left; permanent
"""

from __future__ import annotations

from tasks.rooms.records import CallRecord, Claim, DeadLetter, Room, WorkerStatus
from tasks.rooms.states import Closed, Lease, Lost, Refusal, State
from tasks.rooms.store import RoomStore

__all__ = [
    "CallRecord",
    "Claim",
    "Closed",
    "DeadLetter",
    "Lease",
    "Lost",
    "Refusal",
    "Room",
    "RoomStore",
    "State",
    "WorkerStatus",
]
