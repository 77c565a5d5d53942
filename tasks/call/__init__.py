"""One call, in a child of the worker: from the Celery task to the pipeline, and back to Redis.

A child answers one call and ends with it. It reads in this order:

    task             the Celery task; it runs an attempt in this child
    attempt          an attempt at answering a room, and the ways in which it can end
    attempt_trace    the spans of an attempt, in the trace of its call
    options          the options of a call, from its room and its tenant
    redaction        the call's provider keys, kept out of what is written about its end
    provider_keys    the tenant's provider keys, decrypted or read from their source
    ending           the ways in which an attempt can end: what is written, and what comes next
    failure          the failure of an attempt, as Celery and Flower show it
    watchdog         the thread beside the call, which keeps its lease and ends the process when the call is stuck
    lease            the lease, with the steps, the conversation and the ending that are written under it
    stacks           the stacks of a call that is stuck, for the log
    drain            the worker's drain, and when the call has to be handed over
    scoreboard       what the children and the main process tell each other: memory limits, and a request to hand over
    child            the process, and what it has ready before its call is known
"""
