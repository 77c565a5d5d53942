"""Speech for tests: espeak-ng, as 16 kHz PCM."""

from __future__ import annotations

from functools import cache

from livekit import rtc

from pipeline.providers.local import espeak
from pipeline.providers.local.sphinx import SAMPLE_RATE

SILENCE_SECONDS = 0.2


def resampled(pcm: bytes, rate: int, to: int) -> bytes:
    """Return 16-bit mono PCM at another sample rate."""
    resampler = rtc.AudioResampler(rate, to, quality=rtc.AudioResamplerQuality.HIGH)
    frames = resampler.push(rtc.AudioFrame(pcm, rate, 1, len(pcm) // 2)) + resampler.flush()
    return b"".join(frame.data.tobytes() for frame in frames)


def silence(seconds: float, rate: int = SAMPLE_RATE) -> bytes:
    """Return digital silence."""
    return bytes(2 * round(seconds * rate))


@cache
def spoken(text: str, *, voice: str = espeak.DEFAULT_VOICE, speed: int = espeak.DEFAULT_SPEED) -> bytes:
    """Return the text as speech at SAMPLE_RATE, with a little silence on both sides."""
    pcm, rate = espeak.speak(text, voice=voice, speed=speed)
    return silence(SILENCE_SECONDS) + resampled(pcm, rate, SAMPLE_RATE) + silence(SILENCE_SECONDS)
