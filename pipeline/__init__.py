"""The call itself: it runs a livekit-agents entrypoint for a room, in a real JobContext.

Plain asyncio on livekit-agents. It knows no Celery and no Redis, and no environment variable but those of livekit's
client (in `rtc_client`): it is given frozen options and callbacks. How a call travels through this package:

    prewarm      in the worker's main process: imports and model weights, shared with every child
    rehearsal    what livekit-agents does once in each process, done there
    end_of_turn  the end-of-turn model, in one process for all calls
    agents       finds the agent that a tenant names
    runner       livekit-agents' own job runner, in this process; the only file that touches its private API
    job          what it runs: the room, checked, and the token
    rtc_client   livekit's native client in this process, which joins and carries the sound
    joining      joins the room before the agent is ready
    call         one call: runs the agent, watches it, says how it ended
    presence     who is in the room, and so when the call ends, whoever wrote the agent
    conversation what was said so far, for the agent of the next attempt
    voice_agent  Switchboard's own agent, the default
    mouth        where that one speaks
    immediate    how that one runs what is too short for a thread
    trouble      what that one does when a provider fails
    providers/   what hears, thinks and speaks
"""
