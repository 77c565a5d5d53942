"""The intake: a message stays in Redis until this worker can start its call now.

    gate            open while a child is idle, the worker does not drain, its calls go well, and the load allows it
    stale_messages  whether a message's room still waits for it
    others          the other workers that could take a call now
    load            the CPU load of the host or the container, as a moving average
    reservation     CPU that calls just started will use, and that the load does not show yet
    celery_stats    its statistics for Celery's `inspect stats`, which Flower shows
    strategy        the start of a task that was taken, or the return of its message

Celery's own ways do not do: it prefetches a message behind a busy child, while another worker is idle, and a gate that
simply refuses to read leaves messages in the socket, where no worker sees them.
"""
