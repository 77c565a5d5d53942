"""The watch over the children: whatever a call holds is free a bounded time after the call is over.

    supervisor        all checks, each at its own interval
    stale_children    kills children that go on with a call that is no longer theirs
    overdue_children  kills children that do not start, accept, end or exit in time
    call_memory       the memory limits of calls

The child's own watchdog (`tasks.call.watchdog`) comes first; this is for a child that it cannot help.
"""
