"""FallbackSTT over the real protocols of Deepgram and OpenAI: when it switches, and what audio the next one gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit.agents import APIError, stt

from pipeline.failure_log import FailureLog
from pipeline.options import ProviderOptions, Secret, VadOptions
from pipeline.providers import stt_fallback
from pipeline.providers.fallbacks import STT_RETRIES, stt_with_fallbacks
from pipeline.providers.stt_fallback import FallbackSTT
from pipeline.voice_agent.session import build_vad
from tests.integration.pipeline.providers.live import frames, texts
from tests.provider_emulators.deepgram import DeepgramEmulator
from tests.provider_emulators.openai import OpenAIEmulator
from tests.provider_emulators.server import Fault
from tests.support.speech import silence, spoken

QUESTION = "what are your opening hours"
KEY = Secret("a-key-of-a-tenant")
STATUSES = [Fault.REFUSED, Fault.BUSY, Fault.BROKEN]

pytestmark = pytest.mark.usefixtures("http")


@pytest.fixture
async def first() -> AsyncIterator[DeepgramEmulator]:
    emulator = DeepgramEmulator(phrases=[QUESTION])
    async with emulator.serve():
        yield emulator


@pytest.fixture
async def second() -> AsyncIterator[DeepgramEmulator]:
    emulator = DeepgramEmulator(phrases=[QUESTION])
    async with emulator.serve():
        yield emulator


def fallback_stt(failures: FailureLog, first: DeepgramEmulator, *others: ProviderOptions) -> FallbackSTT:
    options = ProviderOptions("deepgram", base_url=first.url, api_key=KEY, fallbacks=others)
    built = stt_with_fallbacks(options, failures, build_vad(VadOptions()))
    assert isinstance(built, FallbackSTT)
    return built


def flux(emulator: DeepgramEmulator) -> ProviderOptions:
    return ProviderOptions("deepgram-flux", base_url=emulator.flux_url, api_key=KEY)


async def transcripts(stt_under_test: FallbackSTT, pcm: bytes, *, seconds: float = 15) -> list[str]:
    """Return the transcripts of speech whose start and end are reported as the session's VAD would."""
    async with asyncio.timeout(seconds), stt_under_test.stream(conn_options=STT_RETRIES) as stream:
        stt_under_test.speech_started()
        # Fast, but not so fast that all is sent before the first frame can fail.
        for frame in frames(pcm):
            stream.push_frame(frame)
            await asyncio.sleep(0.002)
        await asyncio.sleep(stt_fallback.MIN_SPEECH_SECONDS)
        stt_under_test.speech_ended()
        events = []
        async for event in stream:
            events.append(event)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                break
    return texts(events, stt.SpeechEventType.FINAL_TRANSCRIPT)


@pytest.mark.parametrize("fault", list(Fault))
async def test_the_fallback_gets_the_audio_that_has_no_transcript_yet(
    fault: Fault, first: DeepgramEmulator, second: DeepgramEmulator
) -> None:
    failures = FailureLog()
    first.fault = fault
    built = fallback_stt(failures, first, flux(second))
    assert await transcripts(built, spoken(QUESTION) + silence(1)) == [QUESTION]
    assert (built.model, len(second.requests)) == ("flux-general-en", 1)
    ((kind, index, name, error),) = failures.counted
    assert (kind, index, name) == ("stt", 0, "deepgram")
    assert failures.left == {("stt", "deepgram"): 1}
    assert not fault.status or error == str(fault.status)


async def test_a_provider_of_whole_utterances_can_replace_a_streaming_one(first: DeepgramEmulator) -> None:
    server = OpenAIEmulator(phrases=[QUESTION])
    async with server.serve():
        first.fault = Fault.BROKEN
        openai = ProviderOptions("openai", model="whisper-1", base_url=server.url, api_key=KEY)
        built = fallback_stt(FailureLog(), first, openai)
        assert await transcripts(built, spoken(QUESTION) + silence(1)) == [QUESTION]
        (request,) = server.requests
        assert request.fields["model"] == "whisper-1"


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STALL])
async def test_without_a_fallback_the_provider_is_retried_with_all_audio(fault: Fault, first: DeepgramEmulator) -> None:
    first.fault = fault
    built = fallback_stt(FailureLog(), first)
    built.providers[0].on("error", lambda _: setattr(first, "fault", None))
    assert await transcripts(built, spoken(QUESTION) + silence(1)) == [QUESTION]
    assert len(first.requests) == 2


async def test_noise_is_given_up_after_two_providers_and_counts_as_one_failure(
    first: DeepgramEmulator, second: DeepgramEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stt_fallback, "TRANSCRIPT_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(stt_fallback, "CONNECT_TIMEOUT_SECONDS", 0.4)
    failures = FailureLog()
    built = fallback_stt(failures, first, flux(second))
    unrecognised: list[bool] = []
    built.on_unrecognised = lambda: unrecognised.append(True)
    with pytest.raises(TimeoutError):
        await transcripts(built, silence(1), seconds=5)
    assert unrecognised == [True]
    assert sum(failures.counted.values()) == 1
    assert built.backlog.frames() == []


async def test_when_all_refuse_the_session_gets_an_error_and_the_log_names_them(
    first: DeepgramEmulator, second: DeepgramEmulator
) -> None:
    failures = FailureLog(sid="RM_a_room")
    first.fault = second.fault = Fault.REFUSED
    with pytest.raises(APIError):
        async with (
            asyncio.timeout(10),
            fallback_stt(failures, first, flux(second)).stream(conn_options=STT_RETRIES) as stream,
        ):
            await anext(stream)
    assert failures.all_refused("stt", 2)
    refused = [record for record in failures.records() if record["type"] == "provider_failure"]
    assert [(record["provider"], record["error"]) for record in refused] == [
        ("deepgram", "401"),
        ("deepgram-flux", "401"),
    ]
