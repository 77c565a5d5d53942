"""A call's story: everything that is known of it, on one timeline.

    events      the events of a call: steps, attempts, what was said, tools, errors
    timeline    one timeline of them, from the record, the recordings, or the room in Redis
    waveform    the audio of an attempt as two curves, of the caller and of the agent

An operator without the role `listen` gets the same events, without what was said.
"""
