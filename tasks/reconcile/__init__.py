"""The reconciler: finds what no webhook, worker or child is left to report, and repairs it.

    reconciler            leadership in Redis, and the ticks of the leader
    redis_clock           notices that Redis' clock has stepped
    rescuer               requeues lost calls and lost messages
    admission             repairs permits, applies changed limits, ends waits that are too long
    wait_notifier         shows waiting callers their position, as attributes of their participants
    wait_estimate         estimates a wait from the lengths of the last calls
    settings_publisher    publishes the settings that workers compare with theirs
    livekit_sync          compares Redis with the LiveKit server's rooms, for webhooks that were lost

It runs inside the receivers. One of them at a time is the leader: it holds a key in Redis for a term of a few ticks,
and renews it with each tick. A leader that was paused past its term may finish one more tick. That does no harm,
because every action checks the room's state again.

**Lost calls.** The lease has expired, because the worker, its host or its network is gone. The room is requeued, in
front. While Redis is away no lease can be renewed, so leases count only after Redis has answered for as long as a lease
lasts. A step of Redis' clock is such an outage: a step forward makes every lease look expired, and one back makes the
leases of dead calls look fresh, which are ended after that time.

**Lost messages.** A room has been queued for a while and its message is in no queue: the worker that had taken it died
before it claimed the room. The message is put back.

**Permits, limits and waits.** Permits that differ from the states of the rooms are repaired. Limits that have changed
since the last room of a tenant was opened are applied. A room that has waited for longer than its tier allows becomes a
dead letter, and is closed on the LiveKit server.

**Waiting callers.** A caller who waits for more than a second can read that, the position and the estimated wait.

**Lost webhooks.** A room that has a caller and is unknown to Redis is opened. So is a room whose agent left because
nobody was there, when a caller is in it again. A waiting, queued or running room that the LiveKit server does not have
any more is closed.
"""

from __future__ import annotations

from tasks.reconcile.reconciler import Reconciler

__all__ = ["Reconciler"]
