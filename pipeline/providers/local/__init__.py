"""Local providers: STT, LLM and TTS that need no key, no server and no network. For the demo, tests and new tenants.

    provider           builders and validation, as the registry expects them
    stt                LocalSTT: recognises a fixed set of phrases
    llm                ScriptedLLM: answers by a script
    tts                EspeakTTS: speaks with espeak-ng
    phrases            phrases with alternatives, expanded into sentences
    script             the dialogue: phrases and their answers
    sphinx             phrase recognition in a recording, by pocketsphinx
    libsphinx          ctypes binding of pocketsphinx's C library
    endpointer         detection of utterances in an audio stream
    espeak             speech synthesis, by espeak-ng's C library
    errors             errors of the modules above

`sphinx`, `script` and `espeak` do not import livekit-agents. The demo's caller uses them, too.
"""
