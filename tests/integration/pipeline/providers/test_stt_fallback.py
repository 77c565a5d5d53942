"""Several STTs as one: what the next one is told, and when it is asked. Over Deepgram's and OpenAI's real protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit.agents import APIError, stt

from pipeline.options import ProviderOptions, Secret, VadOptions
from pipeline.providers import stt_fallback
from pipeline.providers.fallbacks import HEARING, Failures, stt_chain
from pipeline.providers.stt_fallback import Hearing
from pipeline.voice_agent import vad
from tests.integration.pipeline.providers.live import frames, texts
from tests.provider_emulators.deepgram import DeepgramServer
from tests.provider_emulators.openai import OpenAIServer
from tests.provider_emulators.server import Fault
from tests.unit.pipeline.providers.speech import silence, spoken

QUESTION = "what are your opening hours"
KEY = Secret("a-key-of-a-tenant")
STATUSES = [Fault.REFUSED, Fault.BUSY, Fault.BROKEN]

pytestmark = pytest.mark.usefixtures("http")


@pytest.fixture
async def first() -> AsyncIterator[DeepgramServer]:
    server = DeepgramServer(phrases=[QUESTION])
    async with server.serve():
        yield server


@pytest.fixture
async def second() -> AsyncIterator[DeepgramServer]:
    server = DeepgramServer(phrases=[QUESTION])
    async with server.serve():
        yield server


def ears(failures: Failures, first: DeepgramServer, *others: ProviderOptions) -> Hearing:
    options = ProviderOptions("deepgram", base_url=first.url, api_key=KEY, fallbacks=others)
    built = stt_chain(options, failures, vad(VadOptions()))
    assert isinstance(built, Hearing)
    return built


def flux(server: DeepgramServer) -> ProviderOptions:
    return ProviderOptions("deepgram-flux", base_url=server.flux_url, api_key=KEY)


async def understood(ears: Hearing, pcm: bytes, *, seconds: float = 15) -> list[str]:
    """What becomes of speech that is told to have begun and ended, as the session's VAD would."""
    async with asyncio.timeout(seconds), ears.stream(conn_options=HEARING) as stream:
        ears.speech_began()
        # As fast as the sockets take it, but not all before the first of it could fail.
        for frame in frames(pcm):
            stream.push_frame(frame)
            await asyncio.sleep(0.002)
        await asyncio.sleep(stt_fallback.SHORTEST_SPEECH_SECONDS)
        ears.speech_ended()
        events = []
        async for event in stream:
            events.append(event)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                break
    return texts(events, stt.SpeechEventType.FINAL_TRANSCRIPT)


@pytest.mark.parametrize("fault", list(Fault))
async def test_what_the_first_has_not_answered_the_second_is_told(
    fault: Fault, first: DeepgramServer, second: DeepgramServer
) -> None:
    failures = Failures()
    first.fault = fault
    built = ears(failures, first, flux(second))
    assert await understood(built, spoken(QUESTION) + silence(1)) == [QUESTION]
    assert (built.model, len(second.requests)) == ("flux-general-en", 1)
    ((kind, place, name, what),) = failures.counted
    assert (kind, place, name) == ("stt", 0, "deepgram")
    assert not fault.status or what == str(fault.status)


async def test_one_that_takes_utterances_can_take_the_place_of_one_that_streams(first: DeepgramServer) -> None:
    server = OpenAIServer(phrases=[QUESTION])
    async with server.serve():
        first.fault = Fault.BROKEN
        openai = ProviderOptions("openai", model="whisper-1", base_url=server.url, api_key=KEY)
        assert await understood(ears(Failures(), first, openai), spoken(QUESTION) + silence(1)) == [QUESTION]
        (request,) = server.requests
        assert request.fields["model"] == "whisper-1"


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STALL])
async def test_one_that_has_no_fallback_is_asked_again_and_told_all_of_it(fault: Fault, first: DeepgramServer) -> None:
    first.fault = fault
    built = ears(Failures(), first)
    built.providers[0].on("error", lambda _: setattr(first, "fault", None))
    assert await understood(built, spoken(QUESTION) + silence(1)) == [QUESTION]
    assert len(first.requests) == 2


async def test_sound_without_words_is_given_up_by_two_and_fails_nobody_else(
    first: DeepgramServer, second: DeepgramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stt_fallback, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(stt_fallback, "CONNECT_SECONDS", 0.4)
    failures = Failures()
    built = ears(failures, first, flux(second))
    given_up: list[bool] = []
    built.given_up = lambda: given_up.append(True)
    with pytest.raises(TimeoutError):
        await understood(built, silence(1), seconds=5)
    assert given_up == [True]
    assert sum(failures.counted.values()) == 1
    assert built.unanswered.all() == []


async def test_when_all_refuse_the_session_is_told_and_who_they_were_is_known(
    first: DeepgramServer, second: DeepgramServer
) -> None:
    failures = Failures(sid="RM_a_room")
    first.fault = second.fault = Fault.REFUSED
    with pytest.raises(APIError):
        async with asyncio.timeout(10), ears(failures, first, flux(second)).stream(conn_options=HEARING) as stream:
            await anext(stream)
    assert failures.all_refused("stt", 2)
    assert [(record["provider"], record["error"]) for record in failures.records()] == [
        ("deepgram", "401"),
        ("deepgram-flux", "401"),
    ]
