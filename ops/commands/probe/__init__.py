"""`switchboard probe`: a real call with real audio, as a caller makes it, once or again and again.

    command      runs the calls, and stops on a signal
    report       lines for a person, JSON for a program, or lines of the log
    options      the options of a probe
    front_door   the room of the call: requested of a receiver, or created as a backend does
    call         one call: its steps, from the room to the hang-up
    result       the steps of a call in seconds, and why it failed
    expectation  the words that the agent has to say
    room_watch   the room as Redis has it: whether it is over, and why nobody answers
    metrics      the results as Prometheus metrics, on a port

Nothing in it knows which worker answers. A probe takes a slot, permits and its providers' time like any call, and has a
call record.
"""
