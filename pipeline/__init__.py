"""The call itself: a livekit-agents entrypoint, run for a room in a real JobContext.

Plain asyncio on livekit-agents. It knows no Celery and no Redis, and reads no environment variable but those of
livekit's client (in `runtime.rtc_client`): it is given frozen options and callbacks.

    call            one call: runs the agent, tells its steps and phases, returns how it ended
    phase           the phases of a call
    room_watch      the watch over the room, which decides when the call has ended, and who has ended it
    outcome         the outcome of a call
    presence        callers in the room, and the limits at which a call ends, whichever agent answers
    connection      the agent's connection to the LiveKit server
    agents          agents by the path that a tenant names: `load_agent`, `joins_early`
    runtime/        livekit-agents' job runner and livekit's client, driven in this process
    voice_agent/    Switchboard's own agent, the default
    providers/      STT, LLM and TTS for that agent
    userdata        the call's entry in `ctx.proc.userdata`, for its agent
    options         the frozen options of a call
    conversation    the conversation so far, for the agent of the next attempt
    failure_log     the failures of the call's providers
    metrics         the metrics of a call: its turns, and the usage of its models
    errors          the errors of a call
"""
