"""Scaling: the costs of an installation as its rooms and calls grow, and the part that is full first.

`python -m tests.bench.scaling` fills a Redis of its own with open rooms and measures against it:

    call         the life of a call, step by step, through the code of production
    waitlist     the same steps with a long waitlist
    sweeps       the reconciler's sweeps, at their quietest and at their worst
    receivers    the webhooks of a call, in a real receiver
    idle         costs without calls: a worker, Flower, and `switchboard ps`
    ramp         calls at a rising rate, until Redis or the load generator is at its limit

with

    fixture      the installation, filled with open rooms
    meter        Redis' own counters
    cost         the cost of one action
    fake_worker  what a worker's main process sends to Redis
    recording    one call's commands to Redis, recorded
    replay       recorded calls, replayed by the thousand
    results      all results, and their file
    forecast     the part that is full first
    report       the document
"""
