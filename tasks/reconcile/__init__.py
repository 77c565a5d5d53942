"""The reconciler: what nobody else is left to notice.

It runs inside the receivers, in one of them at a time: whoever holds the lead in Redis, renewed with each tick, for a
term of a few ticks. A leader that was paused past its term may tick once more; every action checks the state again, so
that does no harm.

leases   A call whose lease has ended was lost with its worker, its host or its network: the room is queued again, in
         front. But while Redis was away nobody could renew, so leases count only after it has answered for as long as
         a lease lasts.
tasks    A room that has waited for a while, but whose task is in no queue: the worker that had taken it died before it
         had noted so. The task is put back.
places   A place that a room has no more, or lacks, is mended: what the rooms say counts. Limits that have changed since
         the last room of a tenant was opened let in whom they let in. A room that nobody has answered for longer than
         its tier allows becomes a dead letter, and is ended on the LiveKit server.
callers  Whoever waits for more than a second can read so, where in line, and for about how long.
server   A room with somebody in it that Redis does not know: its webhooks were lost, and it is opened now. So is one
         whose agent had left it as nobody was there, and that somebody is in again. A room that
         waits for an agent or has one, and that the LiveKit server no longer knows: its room_finished was lost, and it
         is closed now.
"""

from __future__ import annotations

from tasks.reconcile.reconciler import Reconciler

__all__ = ["Reconciler"]
