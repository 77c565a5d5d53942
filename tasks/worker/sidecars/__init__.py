"""Sidecars: processes beside the worker's children, most for models that each child would otherwise have in memory.

    sidecar          a process that is forked, replaced when it dies, and ends with the worker
    turn_detector    livekit-agents' local end-of-turn model, forked with its weights
    inference        the models that agents' plugins register, in an interpreter of their own
    janitor          outlives the worker, and removes what a killed one has left

Calls reach the models over Unix sockets, and go on without a sidecar that is down: see the servers in
`pipeline.runtime`.
"""
