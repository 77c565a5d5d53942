"""Tasks: the queue, the worker and the state of rooms, from an announced room to the child process that answers it.

    celery          the entry of `celery -A tasks`
    worker/         the worker's main process: it takes a message from Redis only when it can start the call now
    call/           one call, in a child: claims the room, runs the call under a lease, and ends it
    reconcile/      the reconciler, in a receiver: queues again what was lost, and keeps Redis and LiveKit in agreement
    queue/          dispatch: from an announced room to a Celery message in the queue of its tenant's tier
    tenants/        the tenants, and their provider keys
    idempotency/    the idempotency keys of requests for calls
    records/        the lasting records of calls, in a database, and queries on them
    rooms/          the state of each room in Redis, with its lease and its permit
    encryption      encryption of what Redis keeps of conversations and keys
    livekit_api     a client of the LiveKit server's API
    redis_client    clients of Redis
    logs/           logs as JSON
    tracing/        one trace for each call
    settings/       the settings, from the environment
    errors          the errors between a webhook and a call

The map is in the order of imports: what stands above may import what stands below (see import-linter's contracts).
"""
