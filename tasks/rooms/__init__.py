"""Which call is where: the state of each room in Redis, and the lease that makes one agent out of many attempts.

A room is known by its sid, because LiveKit reuses names. Its state changes only inside Lua scripts (one file each,
beside this one), with Redis' own clock, so that no two processes can disagree about who came first.

    waiting -> queued -> running -> ended   waiting: its tenant or its tier has no place for it now
    waiting, queued -> cancelled            the room finished before a worker took it
    waiting, queued -> dead                 nobody could answer it for longer than its tier allows
    running -> queued, attempt + 1          the call was lost or handed over; its task goes to the front of the queue
    running -> dead, new -> dead            it cannot be answered: a dead letter says why
    ended -> waiting or queued, attempt + 1 a caller has come back into a room that its agent had left
    dead -> waiting or queued, attempt + 1  an operator replays the dead letter

A room takes a place when it enters its queue, and gives it back when it is over: lost or handed over, it keeps it.
Queued rooms count like running ones, as else a tenant at its cap could fill the queue of its tier all the same, and
would be over its cap when workers come. `Tenant.max_calls` limits the places of a tenant, `SWITCHBOARD_TIER_CAPS` those
of a tier, and `SWITCHBOARD_QUEUED_PER_TENANT` how many rooms of a tenant are in a queue and not yet claimed. A room
that finds no place waits in the line of its tenant. Whatever ends, or is claimed, lets the next one in, in the same
script: the one of a tenant that has waited longest, and of the tenants of a tier each in turn. The queues stay plain
lists, and workers know nothing of it. How places are counted stands at the head of `admission.lua`.

Opening a room and enqueuing its task is one step: the script that writes `queued` pushes the Celery message onto the
queue's list in the same breath. There is no moment in which one exists without the other, so a webhook that is
delivered ten times makes one task, and a receiver that dies between the two cannot lose a call.

A worker's child claims (sid, attempt). The claim succeeds once. With it comes a lease, which lasts `lease_ttl_ms` and
is renewed by the child's event loop, so that a hung call loses it too. `attempt` is the fencing token: every write
after the claim carries it, and a write with a stale attempt changes nothing and says so. The child's writes carry who
claimed, too: a Redis that has lost a claim which it had acknowledged, in a failover, may grant the same attempt again,
and then the first one has to leave. The attempt only ever grows: what
counts against the attempts allowed is `attempt - uncounted`, because to be handed over or opened again is no failure.

Until it is claimed a room keeps its Celery message. A worker that cannot start the call after all puts the message
back, and so does the reconciler when it is in no queue. Once too often does no harm, as only one claim succeeds.

The keyspace, and how long each key lives:

    switchboard:room:<sid>     hash    the room; a day while open, an hour after it is over
    switchboard:rooms          zset    open rooms by the time they were opened; permanent
    switchboard:queued         zset    queued rooms by the time their task was last seen in its queue; permanent
    switchboard:leases         zset    running rooms by the time their lease ends; permanent
    switchboard:places         zset    who is counted against which limit; permanent
    switchboard:line           zset    waiting rooms by tenant and arrival; permanent
    switchboard:ready          zset    tenants whose first in line waits for the tier alone; permanent
    switchboard:admission      hash    the limits, and which tenant of each tier had its turn last; permanent
    switchboard:unanswered     zset    waiting and queued rooms by tier and arrival; permanent
    switchboard:tell           zset    rooms whose callers were told that they wait, and do no more; permanent
    switchboard:calls          stream  a record of each ended call, capped; permanent
    switchboard:dead           stream  dead letters, capped; permanent
    switchboard:reconciler     string  the receiver that reconciles; seconds
    switchboard:conversation:<sid>
                               string  what was said so far, encrypted; an hour, and no longer than the call
    switchboard:request:<digest>
                               hash    the room that a request for a call has made; a day
    switchboard:worker:<node>  hash    a worker's heartbeat; seconds
    <queue>                    list    Celery's messages, newest on the left; permanent
"""

from __future__ import annotations

from tasks.rooms.records import CallRecord, Claim, DeadLetter, Limits, Outline, Room, Wait, WorkerStatus
from tasks.rooms.states import Closed, Found, Lease, Losing, Lost, Refusal, State
from tasks.rooms.store import RoomStore
from tasks.rooms.waitlist import Healed, Line

__all__ = [
    "CallRecord",
    "Claim",
    "Closed",
    "DeadLetter",
    "Found",
    "Healed",
    "Lease",
    "Limits",
    "Line",
    "Losing",
    "Lost",
    "Outline",
    "Refusal",
    "Room",
    "RoomStore",
    "State",
    "Wait",
    "WorkerStatus",
]
