"""The state of each room in Redis, and the lease by which one of many attempts answers it.

    states          the states of a room and of a worker, and the results of the actions on a room
    records         what is read back from Redis, typed
    call_records    the records of calls and of their attempts, typed
    keys            names and lifetimes of the keys
    scripts         the Lua scripts as functions with named keys and arguments
    store           `RoomStore`: a method for each action on a room, and the reads that operators need
    open_rooms      `OpenRooms`: the open rooms of a tenant, newest first, and how many it has
    operations      `CallOperations`: requests of operators and backends to end a call, or to hand it over
    erasures        `ErasureRequests`: the calls that backends have asked to erase
    waitlist        `WaitList`: limits, permits and waits
    explanation     the reasons why a room is not answered yet: limits, who holds their permits, each worker's intake
    webhook_check   the proof that webhooks arrive, for `switchboard doctor`
    trace           the trace of a room that is about to be created
    census          `RoomCensus`: the open rooms of each tier, for metrics
    overview        `RoomOverview`: all open rooms, for a page that is written every second
    numbers         `CallerNumbers`: the telephone number of a caller who has joined
    counters        `Counters`: calls started, repairs of the reconciler, and uploads
    record_lag      the lag of the writers of records
    lua/            the scripts, one for each action; `lua/lib/` has what they share

A room is known by its sid, because LiveKit uses names again. This package knows no Celery and no settings: a message is
bytes to it, a queue is the name of a list, and limits and lifetimes are passed in or stand in `keys`.

# States

    open_room -> waiting -- permit --> queued -- claim --> running -- end --> ended
                    |                  |   ^                |   |
                    |                  |   '-- requeue -----'   |
                    |                  |       attempt + 1      |
                    +-- room finished -+--> cancelled           |
                    |                  |                        |
                    '-- wait expired --+------> dead <----------' attempts used up, or cannot be answered

    waiting     open, but its tenant or its tier has no permit for it; in no queue
    queued      its message is in its queue, or on its way from there to a claim; or, after several attempts that
                failed quickly, it has a delay until the next one
    running     an attempt has claimed it and has its lease
    ended       its call is over; a caller who comes back opens it again, if it was the callers who had ended it
    cancelled   the room finished before it was claimed
    dead        a dead letter says why it could not be answered; an operator can open it again with a replay

The first three are open. A room that is opened again goes on with the next attempt, and with the count of failed
attempts at zero. A room for which no tenant is found (it is unknown, or gone when a caller comes back) is dead without
a further attempt, and is opened by a later event if it then can be. One that names no tenant waits for one before that:
it is `tenantless`.

# Guarantees

Opening is idempotent by sid. The script that writes `queued` also pushes the message, so neither exists without the
other: ten deliveries of one webhook make one message, and a receiver that dies in between loses nothing. The script
that takes a room out of `queued` takes its message out of its queue (`lua/lib/message.lua`), so that the messages of a
queue are those of its queued rooms, each once.

A claim of (sid, attempt) succeeds once; again only for the same claimant, whose first reply may have been lost. With it
comes a lease of 6 s (`lease_ms`), which the child renews. Messages are delivered at least once: a duplicate does no
harm, because whichever is claimed first removes the other from its queue, or has its claim refused. A room keeps a copy
of its message until it is claimed, so that a lost one can be requeued and one that a worker cannot start can be
returned.

`attempt` is the fencing token. It only grows. Every write after the claim carries it, and a write of an earlier attempt
changes nothing and says so. What counts against the attempts allowed is `attempt - uncounted`: a hand-over and a
reopening are no failures.

A room becomes terminal in one way only (`lua/lib/finish_room.lua`). The same script releases its permits and admits the
rooms that this lets in.

Each attempt that was claimed leaves one record when it ends, and each room one when it is over, also if nobody has
claimed it. The script that makes the change writes them (`lua/lib/records.lua`). An attempt tells its usage and its
turns with its renewals, and the room's hash keeps them until the record is written: so an attempt whose process was
killed has them up to its last renewal. No record is left by a room that finishes without having been opened, by one
that is refused while very many are, and by one that Redis has forgotten.

A room holds its permits from when it enters its queue until it is over; a requeue keeps them. Queued rooms count like
running ones: otherwise a tenant at its limit could fill the queue of its tier, and exceed the limit when workers come.
There are three limits: the calls of a tenant, the calls of a tier, and the unclaimed rooms of a tenant in a queue. Of
one tenant the room that has waited longest enters first; the tenants of a tier take turns. Queues stay plain lists, and
workers know nothing of this (`lua/lib/admission.lua`).

# What is not guaranteed

A lease stops no process. A child that was paused, or is cut off from Redis, may still be in its room when the next
attempt comes. So the next attempt removes the participants of earlier ones before it joins, and a child whose renewal
returns `lost` leaves the room at once.

Effects outside Redis may happen twice: a tool call of the agent is not undone when its attempt fails, and the next
attempt may repeat it.

Redis may forget. In a failover it can lose writes that it has acknowledged, so the same attempt may be granted twice;
therefore the child's writes carry the claimant too, and the first of the two loses its lease. A running room that Redis
has forgotten has no lease to renew, so its agent leaves; a waiting one is opened again when the reconciler finds it in
the LiveKit server's list.

Order holds within a tenant's waitlist only. A requeued message goes to the front of its queue.

# Clocks

Redis' clock decides alone: when a lease or a wait has expired, who came first, when a room ended. A child measures its
steps from the claim, with a monotonic clock, and Redis adds them to the time of the claim. Two times come from
elsewhere: `room_started` from the LiveKit server and `received` from the receiver. The time at which a caller joined,
which decides whether a room that has ended is opened again, is the LiveKit server's too. If that clock is a second
behind Redis', a caller who comes back within this second is not answered by the webhook, only by the reconciler's next
look at the server.

While Redis does not answer, a child trusts its last renewal for a limited time (`tasks.call.lease`), and the reconciler
counts expired leases only when they could have been renewed (decision 9).

# Failure

    the child dies                      its worker requeues the room at once
    the worker or its host dies         the lease expires; the reconciler requeues the room
    a call gets stuck                   its watchdog (`tasks.call.watchdog`) requeues the room and ends the process
    a message is lost                   the reconciler requeues it when its room is queued and it is in no queue
    an operator ends the call           not claimed: ended; running: the next renewal returns `closing`
    an operator moves the call          the next renewal returns `moving`, and the attempt hands over
    the room finishes                   not claimed: cancelled; running: the next renewal returns `closing`
    attempts are used up                dead letter
    a wait exceeds its tier's longest   dead letter, and its callers are notified
    permits disagree with the rooms     the reconciler repairs them, a part at each tick
    a room's hash lacks what it needs   the reconciler forgets the room; the next look at LiveKit opens it anew
    too many rooms of a tenant wait     the next one is refused: over at once, and forgotten after a minute
    Redis is away                       every method raises; a write may be repeated, as none counts twice

# Keys

    switchboard:room:<sid>          hash    the room; a day while open, an hour when it is over
    switchboard:conversation:<sid>  string  the conversation so far, encrypted; an hour, and no longer than the call
    switchboard:agent_metadata:<name>  string  of a room that is about to be created, encrypted; two hours
    switchboard:webhook_check:<name>  stream  webhooks noted of a room of `switchboard doctor`; a minute
    switchboard:trace:<name>        string  of a room that is about to be created, the trace of its request; a minute
    switchboard:worker:<node>       hash    a worker's heartbeat; seconds
    switchboard:reconciler          string  the leader of the reconcilers; seconds
    switchboard:probe               string  the last proof that Redis takes a write; a minute
    switchboard:installation        hash    the settings that workers compare with theirs; a minute
    switchboard:rooms               zset    open rooms by the time they were opened; permanent, as all below
    switchboard:queued              zset    queued rooms by the time their message was last seen in its queue
    switchboard:leases              zset    running rooms by the time their lease expires
    switchboard:delayed             zset    queued rooms whose message is held back, by the time until when
    switchboard:permits             zset    the permits that queued and running rooms hold
    switchboard:waitlist            zset    waiting rooms by tenant and arrival
    switchboard:eligible            zset    tenants whose first waiting room is kept back by the tier's limit alone
    switchboard:admission           hash    the limits, and the tenant of each tier that was served last
    switchboard:unanswered          zset    waiting and queued rooms by tier and arrival
    switchboard:notify              zset    rooms whose callers have to be notified: their wait, or their call, is over
    switchboard:tenantless          zset    rooms that name no tenant yet, by the time they were first seen
    switchboard:calls               stream  records of calls and of attempts, capped
    switchboard:notice_events       stream  events of calls whose tenants get notices, until these are made, capped
    switchboard:dead                stream  dead letters, capped
    switchboard:counters            hash    calls started by tier, repairs by sweep, the time of the leader's last tick
    switchboard:metrics             hash    the exporter's counters, and the entries up to which they count
    <queue>                         list    Celery's messages, newest on the left
"""

from __future__ import annotations

from tasks.rooms.call_records import AttemptMetrics, AttemptRecord, CallRecord
from tasks.rooms.census import RoomCensus, TierCensus
from tasks.rooms.counters import Counters, Repairs, SweepName
from tasks.rooms.operations import CallOperations
from tasks.rooms.overview import OpenRoom, RoomOverview
from tasks.rooms.records import DeadLetter, Limits, Room, RoomSummary, TenantlessRoom, Wait, WorkerStatus
from tasks.rooms.states import (
    AttemptEnding,
    CallEnd,
    CallState,
    ClaimRefusal,
    CloseResult,
    EndedBy,
    EndRequestResult,
    Intake,
    LossCause,
    OpenResult,
    PublicReason,
    RenewResult,
    RequeueResult,
    State,
)
from tasks.rooms.store import RoomStore
from tasks.rooms.trace import save_trace
from tasks.rooms.waitlist import RepairCursor, WaitList

__all__ = [
    "AttemptEnding",
    "AttemptMetrics",
    "AttemptRecord",
    "CallEnd",
    "CallOperations",
    "CallRecord",
    "CallState",
    "ClaimRefusal",
    "CloseResult",
    "Counters",
    "DeadLetter",
    "EndRequestResult",
    "EndedBy",
    "Intake",
    "Limits",
    "LossCause",
    "OpenResult",
    "OpenRoom",
    "PublicReason",
    "RenewResult",
    "RepairCursor",
    "Repairs",
    "RequeueResult",
    "Room",
    "RoomCensus",
    "RoomOverview",
    "RoomStore",
    "RoomSummary",
    "State",
    "SweepName",
    "TenantlessRoom",
    "TierCensus",
    "Wait",
    "WaitList",
    "WorkerStatus",
    "save_trace",
]
