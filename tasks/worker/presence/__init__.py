"""The worker as the others see it: one name, one process, and a heartbeat in Redis.

    process_identity  the identity of the main process, which no other process has
    node_name         the worker's name, which one process has at a time
    heartbeat         the worker's status in Redis
    liveness          the time of the main loop, in a file that a health check reads
    worker_presence   other workers with its name, and settings that differ from the receivers'
    lua/              the script that writes the heartbeat

Two workers of one name would each take the other's calls for lost; so the second of them does not start.
"""
