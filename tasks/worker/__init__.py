"""The worker's main process. It forks, so it has no threads, no event loop of asyncio and no connections of one.

    lifecycle         the start and the end of the main process and of its children, by Celery's signals
    consumer          Celery's consumer, which waits until Redis takes a write, whatever it answers instead
    bootsteps         steps of Celery's consumer: the intake, and the timers of the main process
    drain_step        the drain, which signals begin, and the log lines about it
    pool              a prefork pool whose children answer one call each
    intake/           the gate in front of every BRPOP
    breaker           the circuit breaker: no call is taken while one after another fails here
    call_request      a message in the main process, which notices that its child has died
    room_actions      requeue of a lost call, and return of a message, from the main process
    command_line      the options of `celery worker` that are refused, and those without effect
    trial             what a child does before its call, tried once at the start
    prewarm_state     whether the last child could be prewarmed
    process_identity  the identity of the main process, which no other process has
    node_name         the worker's name, which one process has at a time
    presence          other workers with its name, and settings that differ from the receivers'
    supervision       the watch over the children, in these four
    stale_children    kills children that go on with a call that is no longer theirs
    overdue_children  kills children that do not start, accept, end or exit in time
    call_memory       the memory limits of calls
    call_processes    the processes of a call, its orphans included
    call_folder       the temporary folder of a call
    call_killer       kills a call's processes, and keeps the reason
    stop_signals      SIGTERM and the like, kept from children and sidecars
    runtime_dir       the worker's own folder in /tmp, and those of killed workers
    heartbeat         the worker's status in Redis
    lua/              the script that writes the heartbeat
    liveness          the time of the main loop, in a file
    healthcheck       the command that checks both
    sidecars/         processes beside the children: models that all calls share, and a janitor
    death_signal      the kernel's signal to a process whose parent has ended
    tuning/           a faster first word and smaller children; calls work without it

A message stays in Redis until this worker can start its call now: with an idle child, no drain, and CPU load under the
threshold. Each call runs in a fresh child, forked from a process that has loaded what all calls share.
"""
