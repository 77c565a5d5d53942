"""Notices: signed webhooks that tell a tenant's backend of its calls (Standard Webhooks).

    store       `NoticeStore`: a method for each action on notices, and the reads of operators and of the console
    notice      a notice, a try, a backend, typed
    keys        names and lifetimes of the Redis keys
    state       whether notices are made, and what waits for that
    events      from an event of a call to its notice
    scheduler   makes notices of events, and sends what is due to the queue
    delivery    one try of a notice
    sender      its HTTP request, bounded in every way
    address     the addresses to which notices may be sent
    signature   the signature, by Standard Webhooks
    secrets     a tenant's secrets, decrypted
    erasure     the notices of a call, deleted
    schedule    the times between tries
    contents    transcripts and links to audio, asked of the console
    links       signed links to what the console keeps of a call
    lua/        the scripts, one for each action; `lua/lib/` has what they share

# From an event to a delivery

    state of a room changes --same script--> event, in a stream
    scheduler:  event ------one script-----> notice, last in the queue of its call
    scheduler:  due notice --script--------> its call has a lease; a Celery task is sent
    task:       begin --> HTTP request --> finish: delivered, or due again, or given up

Only rooms whose tenant declares notices make events: the others cost nothing, and no room costs a request more. The
script that changes the state of a room writes the event, so there is none without the other.

Nothing is sent for later by Celery. On Redis it holds such tasks in the memory of a worker, kombu sends them again each
time its visibility timeout passes, and restarts lose them. Here the time of the next try is in a sorted set, and a task
is sent when it is due. A task that is lost, or dies, or is delivered twice, is the same as none: each try has a lease
and a token, is begun once, and is taken again when its lease ends.

# Guarantees

At least once: a notice is sent until it is delivered or given up, whatever process is killed at whatever moment. A
backend may get one twice, with the same `webhook-id`: when a worker died between the request and `finish`.

In order, for each call: the next notice of a call is sent when the one before is delivered or given up. Calls do not
wait for each other.

No tenant waits for another: each has as many tries at once as `SWITCHBOARD_NOTICES_AT_ONCE` says, and one while its
backend fails, with longer and longer pauses of a minute at most. The queue never holds more than the workers can begin
in a moment; the rest waits in the sets of its tenant, and tenants take turns. A try ends within
`SWITCHBOARD_NOTICE_TIMEOUT_SECONDS`, whatever the backend does.

A pause uses up no try. And when a backend that had failed for a minute takes a notice again, all that waits for a later
try is sent at once; if such an early try fails it was none, and the notice goes on with its own times.

A backend that has done nothing but fail for days, or answers 410, is disabled: it gets nothing, and what is for it
waits, for a week at most. It is enabled by a test or a resent notice that it takes, or by another address.

# What is not guaranteed

Redis may lose in a failover what it has acknowledged: an event, or that a notice was delivered. Notices are kept for a
week; of those that are delivered or given up each tenant keeps 1000. Of one tenant 10,000 may wait
(`SWITCHBOARD_NOTICES_PER_TENANT`); more are dropped, and counted. Events are kept until a background worker takes them,
50,000 at most.

# Keys

    switchboard:notice_events             stream  events no notice was made of yet (`tasks.rooms.keys`)
    switchboard:notice:<id>               hash    a notice, its state, and its tries; a week, as all but the last three
    switchboard:notice_queue:<sid>        list    ids of a call's notices that are not finished, in order
    switchboard:notice_attempts:<sid>     list    records of the attempts of a call that goes on
    switchboard:notice_calls:<tenant>     zset    calls that wait for a try, by its time; 0 for at once
    switchboard:notice_leases:<tenant>    zset    calls with a lease, by its end
    switchboard:notice_log:<tenant>       zset    ids of all notices that are kept, by when they were made
    switchboard:notice_done:<tenant>      zset    ids of those that are delivered or given up, by when
    switchboard:notice_backend:<tenant>   hash    failures in a row, since when, the end of its pause
    switchboard:notice_backends_due       zset    tenants by the time to look at them; permanent, as the next two
    switchboard:notice_backends_disabled  hash    disabled backends: since when, why, at which address
    switchboard:notice_counters           hash    tries and notices by their result, for metrics
"""

from __future__ import annotations

from tasks.background.notices.notice import Backend, Delivery, Disabled, Notice, NoticeState, TryResult
from tasks.background.notices.store import NoticeStore

__all__ = ["Backend", "Delivery", "Disabled", "Notice", "NoticeState", "NoticeStore", "TryResult"]
