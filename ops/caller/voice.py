"""Speech synthesis and speech recognition for a caller: espeak-ng and pocketsphinx, both local."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from livekit import rtc

from ops.caller.caller import RATE
from ops.caller.recording import Samples
from pipeline.providers.local import espeak, sphinx
from pipeline.providers.local.script import spoken_sentences


def speech(text: str, *, voice: str = espeak.DEFAULT_VOICE) -> Samples:
    """Synthesise the text, with RATE samples a second. Takes some milliseconds a sentence."""
    pcm, rate = espeak.speak(text, voice=voice)
    resampler = rtc.AudioResampler(rate, RATE)
    frames = resampler.push(rtc.AudioFrame(pcm, rate, 1, len(pcm) // 2)) + resampler.flush()
    return np.concatenate([np.frombuffer(frame.data, dtype=np.int16) for frame in frames])


def recognise(samples: Samples, texts: Iterable[str]) -> list[str]:
    """Recognise sentences of these texts, utterance by utterance, as plain words. Everything else is left out.

    Blocks for about a tenth of the length of the audio.
    """
    return sphinx.recognise(samples.tobytes(), spoken_sentences(texts))


def beginnings(text: str) -> list[str]:
    """Return the first three words of each sentence, the first four, and so on: what an interrupted agent may say."""
    sentences = [sentence.split() for sentence in spoken_sentences([text])]
    return [" ".join(words[:count]) for words in sentences for count in range(3, len(words) + 1)]
