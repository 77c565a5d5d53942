"""One call, in a child of the worker: from the Celery task to the pipeline, and back to Redis.

A child answers one call and ends with it. It reads in this order:

    task             the Celery task; it runs an attempt in this child
    attempt          an attempt at answering a room, and the ways in which it can end
    options          the options of a call, from its room and its tenant
    provider_keys    the tenant's provider keys, decrypted or read from their source
    lease            the renewal of the lease, with the call's steps and conversation
    drain            the worker's drain, and when the call has to be handed over
    child            the process, and what it has ready before its call is known
"""
