"""The analysis of the agent's speech has livekit-agents' own numbers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from livekit.agents.voice.transcription import _speaking_rate

from pipeline.runtime import speaking_rate

ORIGINAL = _speaking_rate.SpeakingRateStream._spectral_flux


def noise(samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Noise that grows louder."""
    generator = np.random.default_rng(7)
    return (generator.standard_normal(samples) * np.linspace(0.01, 0.3, samples)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("seconds", [1.0, 0.3, 0.04, 0.037, 0.025])
def test_the_numbers_are_those_of_livekit_agents(rate: int, seconds: float) -> None:
    stream = object.__new__(_speaking_rate.SpeakingRateStream)
    audio = noise(round(rate * seconds))
    assert speaking_rate._spectral_flux(stream, audio, rate) == pytest.approx(ORIGINAL(stream, audio, rate))


def test_livekit_agents_analyses_by_the_method_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_speaking_rate.SpeakingRateStream, "_spectral_flux", ORIGINAL)
    speaking_rate.analyse_at_once()
    stream = object.__new__(_speaking_rate.SpeakingRateStream)
    assert stream._spectral_flux(noise(24000), 24000) == pytest.approx(ORIGINAL(stream, noise(24000), 24000))
    assert "self._spectral_flux(audio, sample_rate)" in inspect.getsource(
        _speaking_rate.SpeakingRateStream._compute_speaking_rate
    )
