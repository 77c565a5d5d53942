"""The worker's main process. It forks, so it has no threads, no event loop of asyncio and no connections of one.

    lifecycle         the start and the end of the main process and of its children, by Celery's signals
    bootsteps         steps of Celery's consumer: the timers of the main process, and the drain by signals
    pool              a prefork pool whose children answer one call each
    intake/           the gate in front of every BRPOP
    call_request      a message in the main process, which notices that its child has died
    room_actions      requeue of a lost call, and return of a message, from the main process
    stale_children    kills children that go on with a call that is no longer theirs
    heartbeat         the worker's status in Redis
    healthcheck       the command that checks it
    sidecars/         processes beside the children, for models that all calls share
    death_signal      the kernel's signal to a process whose parent has ended
    tuning/           a faster first word and smaller children; calls work without it

A message stays in Redis until this worker can start its call now: with an idle child, no drain, and CPU load under the
threshold. Each call runs in a fresh child, forked from a process that has loaded what all calls share.
"""
