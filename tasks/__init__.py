"""The queue and the worker: from an opened room to the child process that answers it.

`celery -A tasks worker -Q premium` finds the app in `tasks.celery`. How a call travels through this package:

    dispatch   the receiver's side: tenant, tier, queue, and one Redis action that opens the room and enqueues its task
    requests/  which request for a call has made which room
    rooms/     the state of each room, and the lease
    worker/    the worker's main process: it takes a task from Redis only when it can start the call now
    run_room   the task: claims the room, runs the call, keeps the lease, and ends it
"""
