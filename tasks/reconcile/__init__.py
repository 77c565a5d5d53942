"""The reconciler: finds what no webhook, worker or child is left to report, and repairs it.

    reconciler           leadership in Redis, and the ticks of the leader
    redis_clock          notices that Redis' clock has stepped
    failures             keeps a sweep or a room that fails from all others
    rescuer              requeues lost calls and lost messages
    admission            repairs permits, applies changed limits, ends waits that are too long
    livekit_sync         compares Redis with the LiveKit server's rooms, for webhooks that were lost
    missing_rooms        rooms that the LiveKit server's list lacks
    absent_agents        running calls whose agent is not in its room
    tenantless_rooms     rooms that name no tenant yet
    wait_notifier        shows waiting callers their position
    wait_estimate        estimates a wait from the lengths of the last calls
    end_notifier         tells callers that their call is over and why, and deletes the room
    settings_publisher   publishes the settings that workers compare with theirs
    caller_attributes    the attributes of callers' participants, by which they are notified

It runs inside the receivers. One of them at a time is the leader: it holds a key in Redis for a term of a few ticks,
and renews it with each tick. A leader that was paused past its term may finish one more tick. That does no harm,
because every action checks the room's state again.

In each tick the leases come first, then the sweeps that ask Redis alone. Those that ask the LiveKit server run beside
the ticks, so that a server that is slow delays no lease. A sweep that raises, and a room with odd data, is logged once
and keeps no other from its turn.

**Lost calls.** The lease has expired, because the worker, its host or its network is gone. The room is requeued, in
front. While Redis is away no lease can be renewed, so leases count only after Redis has answered for as long as a lease
lasts. A step of Redis' clock is such an outage: a step forward makes every lease look expired, and one back makes the
leases of dead calls look fresh, which are ended after that time.

**Lost messages.** A room has been queued for a while and its message is in no queue: the worker that had taken it died
before it claimed the room. The message is put back.

**Permits, limits and waits.** Permits that differ from the states of the rooms are repaired. Limits that have changed
since the last room of a tenant was opened are applied. A room that has waited for longer than its tier allows becomes a
dead letter.

**Callers.** One who waits for more than a second can read that, the position and the estimated wait. One whose call was
ended by a limit of ours, or could not be answered, can read a public reason, and has some seconds for it before the
room is deleted.

**Lost webhooks.** A room that has a caller and is unknown to Redis is opened. So is a room that its callers have ended,
when a caller is in it again. A waiting or queued room that the LiveKit server does not have any more, by two lists and
by its name, is closed. A running call is never ended by a list: its own connection knows.

**Absent agents.** A lease says nothing of an agent's place in its room. A call with a caller and without its agent, by
two looks some seconds apart, is requeued for its next attempt.

**Rooms without a tenant.** A room that names none is looked at several times a second, until its backend has set its
metadata or its time is over.
"""

from __future__ import annotations

from tasks.reconcile.reconciler import Reconciler

__all__ = ["Reconciler"]
