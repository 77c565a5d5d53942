"""livekit-agents and livekit's client, driven in the process of one call.

No other folder uses names of theirs that begin with an underscore. Their versions are pinned, and contract tests fail
when such a name moves.

    job_runner              livekit-agents' own job runner, without its parent process
    agent_hooks             an agent's entrypoint and hooks, as its AgentServer has them
    server_options          the options of an AgentServer that have no effect here
    job                     the job of a call: its room, checked on the server; the agent's consent; the token
    sessions                the agent's sessions: the callers they listen to, and what has closed them
    subscriptions           the subscriptions to callers' audio: one that never comes is asked for again
    early_join              the join of a room before the agent is ready
    audio_output            the voice agent's audio output, whose track is in the room before the caller is
    early_transcript        the transcript of what that one says, from the first word on
    recording               livekit-agents' recording of a call: the parts that are wanted, uploaded after the call
    recording_encoder       its audio, encoded for less CPU
    rtc_client              livekit's native client: started, warmed up, its log off
    telemetry               livekit-agents' spans, and the provider that exports them
    prewarm                 the work that calls share, done in the worker's main process or in an idle child
    inference_server        the process for models of plugins, and a call's client of it
    turn_detector_server    the process for the end-of-turn model, and a call's client of it
    plugin_clients          HTTP clients inside plugins: without what they took from the environment; one TLS context
    unheard_speech          speech that is interrupted before a caller listens: the agent is heard afterwards
    speaking_rate           the analysis of the agent's speech by which its transcript keeps pace, cheaper
"""
