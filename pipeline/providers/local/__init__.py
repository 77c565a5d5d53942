"""Providers that need no key, no server and no network: the demo's, the tests', and a new tenant's first ones.

    phrases    what can be said: phrases with alternatives, and the finite list of sentences that they stand for
    sphinx     hears which of those phrases a recording is (pocketsphinx)
    endpoint   finds the utterances in a stream of audio
    ears       the STT: the two of them, live
    script     a dialogue: what is heard, and what is answered
    mind       the LLM: follows the script
    espeak     speaks a text (espeak-ng)
    voice      the TTS: espeak, live

`sphinx`, `script` and `espeak` know nothing of livekit-agents, and serve the demo's caller too.
"""
