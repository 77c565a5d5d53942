"""The worker's start: what is refused, tried and made before it takes its first call.

    command_line   the options of `celery worker` that are refused, and those without effect
    trial          what a child does before its call, tried once at the start
    prewarm_state  whether the last child could be prewarmed
    runtime_dir    the worker's own folder in /tmp, and those of killed workers

A worker that could answer nobody does not start: what is wrong is said in one line, with its cure.
"""
