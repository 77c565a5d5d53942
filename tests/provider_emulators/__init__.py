"""Provider emulators: servers on loopback that speak a provider's wire protocol, for unmodified plugins.

    server      ProviderEmulator, the base of all: faults, latency, and the requests received
    sse         answers streamed as server-sent events
    anthropic   Anthropic's streaming messages
    cartesia    Cartesia's TTS over a websocket
    deepgram    Deepgram's streaming STT, both versions of its protocol
    elevenlabs  ElevenLabs' TTS over a websocket
    gemini      Gemini's streaming content
    openai      OpenAI's chat completions, transcription and speech; Groq's, too
    __main__    Deepgram, OpenAI and ElevenLabs in a process of their own, for benchmarks
    process     that process, as a part of an installation

Speech is recognised and synthesised by the local providers. Only the protocol is the provider's, as its public
documentation describes it.
"""
