"""Background workers, `celery -A tasks.background worker -Q background`: what waits for servers of others.

    celery       the entry of `celery -A tasks.background`
    app          the Celery app, and its configuration
    task         the Celery tasks, and how they are sent
    process      the event loop that all tasks of a process share
    notices/     notices to tenants' backends: what there is to tell, where, and when
    healthcheck  `python -m tasks.background.healthcheck`

An ordinary Celery worker with threads. It answers no calls, and no call waits for it: what it works on is in Redis, and
any number of background workers may do it.
"""
