"""How the costs of an installation grow with its rooms and its calls, and what is full first.

`python -m tests.bench.scaling` fills a Redis of its own with so many open rooms, and measures against it:

    call        the life of one call, step by step, through the code that does it in production
    sweeps      the reconciler's sweeps, at their quietest and at their worst
    standing    what costs something while nothing happens: a worker, Flower, and `switchboard ps`
    receivers   the webhooks of a call, in a real receiver
    surge       calls that come at a rising rate, until Redis or whoever makes them has no CPU left

A `Meter` says what of it Redis had to do. `report` writes a document for people and a file with every sample.
"""
