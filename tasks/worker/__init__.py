"""The worker's main process. It forks, so it has no threads, no event loop of asyncio and no connections of one.

    lifecycle     the start and the end of the main process and of its children, by Celery's signals
    consumer      Celery's consumer, which waits until Redis takes a write, whatever it answers instead
    bootsteps     steps of Celery's consumer: the intake, and the timers of the main process
    start/        what is refused, tried and made before the first call
    presence/     the worker's name and its heartbeat
    intake/       the gate in front of every BRPOP
    breaker       the circuit breaker: no call is taken while one after another fails here
    pool/         the children, one for each call
    supervision/  the watch over the children
    room_actions  requeue of a lost call, and return of a message, from the main process
    drain_step    the drain, which signals begin, and the log lines about it
    stop_signals  SIGTERM and the like, kept from children and sidecars
    death_signal  the kernel's signal to a process whose parent has ended
    healthcheck   the command that checks heartbeat and liveness
    sidecars/     processes beside the children: models that all calls share, and a janitor
    tuning/       a faster first word and smaller children; calls work without it

A message stays in Redis until this worker can start its call now: with an idle child, no drain, and CPU load under the
threshold. Each call runs in a fresh child, forked from a process that has loaded what all calls share.
"""
