"""A caller that speaks into a room, and measures, records and recognises the agent's audio.

    caller        the participant: join, speak, wait for the answer, save the recording
    microphone    its audio source, fed in real time
    listener      the agent's audio, as it arrives
    recording     audio with the times at which it was heard
    milestones    the clock of a call, and the first time of each milestone
    transcript    the transcription streams of the room
    voice         speech synthesis and speech recognition for a caller, both local
    process_exit  the end of a process that has been a caller
    errors        the caller's errors

The probe, the demo, the tests and the benchmarks use it.
"""
