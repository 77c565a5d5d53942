"""The queue: from an announced room to a Celery message in the queue of its tenant's tier, and from there again.

    idempotency/       the idempotency keys of requests for calls
    flower/            Flower, the dashboard: its options, its login, and what it shows of calls
    app                the Celery app
    celery_config      Celery's configuration, and the reason for each value
    routing            the tenant of a room, and names for new rooms
    explicit_dispatch  rooms for which LiveKit was asked to dispatch an agent by its name
    message            the Celery message of a room
    dispatcher         dispatch: opens and closes rooms, for receivers and operators
    requeue            a message for the next attempt, after a call was lost

No message is sent by Celery: the script that changes the room's state pushes it, so there is none without the other.
"""
