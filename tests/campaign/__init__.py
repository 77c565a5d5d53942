"""The campaign: random histories of calls and faults on a real installation, judged from the callers' side.

`make campaign` runs as many as it is asked for; `make test` runs three short ones.

    history        what happens in a history: rooms, callers, backends, agents, faults
    generator      the history of a seed and a number
    decks          cards dealt so that none is rare
    tone           livekit-agents plugins that cost little: any speech is a turn, any answer a tone
    agents         the agents, each with a behaviour that people's agents have
    tenants        a tenant for each agent and tier
    proxy          a proxy for TCP, in a process of its own: links that are cut, held, slowed, or answered with errors
    redis_errors   requests of Redis, replaced by requests for an error
    links          the proxy as a part of the stack, and its control
    installation   the installation: two receivers, three workers of two tiers, the proxy before Redis and LiveKit
    callers        what callers do, and what they notice
    backends       what backends do
    nemesis        the faults of a history, caused and undone
    faults         each kind of fault, and the time after which its promises hold again
    monitor        the participants of each room, looked up again and again
    observations   what was seen in a history
    excuses        the times in which silence is excused
    checker        the verdicts on what was seen
    leftovers      what must be gone after a history: rooms, leases, permits, messages, processes, folders, records
    runner         one history, from its callers' first step to its verdicts
    timeline       all that was seen in a history, in the order of time
    report         the table of how often each thing occurred, and the violations
"""
