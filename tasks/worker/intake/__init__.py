"""The intake: a message stays in Redis until this worker can start its call now.

    gate           open while a child is idle, the worker does not drain, and the load is up to the threshold
    load           the CPU load of the host or the container, as a moving average
    reservation    CPU that calls just started will use, and that the load does not show yet
    stale_messages a look at a message's room, before it costs a child
    strategy       the start of a task that was taken, or the return of its message

Celery's own ways do not do: it prefetches a message behind a busy child, while another worker is idle, and a gate that
simply refuses to read leaves messages in the socket, where no worker sees them.
"""
