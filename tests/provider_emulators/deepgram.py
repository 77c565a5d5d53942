"""Deepgram's streaming STT: both versions of its websocket protocol."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientConnectionResetError, WSMsgType, web

from pipeline.providers.local.endpointer import Endpointer, EndpointEvent
from tests.provider_emulators.server import Fault, ProviderEmulator, transcribe


@dataclass
class DeepgramEmulator(ProviderEmulator):
    """Emulator that sends a transcript after each utterance. CUT and STALL come with the start of an utterance.

    `recognises`: if not, each utterance is taken for the first phrase, as recognition costs more than the rest of the
    protocol.
    """

    recognises: bool = True
    audio_seconds: float = 0.0

    @property
    def url(self) -> str:
        """The address of version 1."""
        return f"{self.root}/v1/listen"

    @property
    def flux_url(self) -> str:
        """The address of version 2."""
        return f"{self.root}/v2/listen"

    def routes(self) -> list[web.RouteDef]:
        """See `ProviderEmulator`."""
        return [web.get("/v1/listen", self._listen), web.get("/v2/listen", self._listen)]

    def key(self, request: web.Request) -> str:
        """See `ProviderEmulator`."""
        return request.headers.get("Authorization", "").removeprefix("Token ")

    async def transcript(self, pcm: bytes, rate: int) -> str:
        """Return the words of an utterance."""
        return await transcribe(pcm, rate, self.phrases) if self.recognises else self.phrases[0]

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, Any] = {name: request.query.getall(name) for name in request.query}
        fault = await self.admit(request, {name: got[0] if len(got) == 1 else got for name, got in fields.items()})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        rate = int(request.query.get("sample_rate", "16000"))
        protocol = _Version2 if request.path.startswith("/v2") else _Version1
        connection = protocol(socket, rate, self)
        # A caller's process that is killed is no fault of the emulator's.
        with suppress(ClientConnectionResetError):
            await self._serve(request, socket, connection, rate, fault)
        return socket

    async def _serve(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        connection: _Connection,
        rate: int,
        fault: Fault | None,
    ) -> None:
        async for message in socket:
            # A fault that is set during the connection applies to the speech after that.
            fault = fault or (self.fault if self.fault in {Fault.CUT, Fault.STALL} else None)
            if message.type is WSMsgType.BINARY:
                self.audio_seconds += len(message.data) / 2 / rate
                speaking = await connection.feed(message.data, silent=fault is Fault.STALL)
                if speaking and fault is Fault.CUT:
                    await self.break_off(fault, request)
                    break
            elif json.loads(message.data)["type"] == "CloseStream":
                if fault is None:
                    await connection.end_utterance()
                break


class _Connection:
    """One connection: audio in, transcripts of its utterances out."""

    def __init__(self, socket: web.WebSocketResponse, rate: int, emulator: DeepgramEmulator) -> None:
        self._socket = socket
        self._rate = rate
        self._emulator = emulator
        self._endpointer = Endpointer()
        self._rest = b""

    async def feed(self, pcm: bytes, *, silent: bool) -> bool:
        """Take audio, and answer it unless `silent`. Returns whether there is speech in it."""
        self._rest += pcm
        frames = list(Endpointer.frames(self._rest))
        for frame in frames:
            change = self._endpointer.feed(frame)
            if silent:
                if change is EndpointEvent.PAUSE:
                    self._endpointer.reset()
            elif change is EndpointEvent.SPEECH_STARTED:
                await self.send_speech_started()
            elif change is EndpointEvent.PAUSE:
                await self.end_utterance()
        self._rest = self._rest[sum(map(len, frames)) :]
        return self._endpointer.speaking

    async def end_utterance(self) -> None:
        """Send the transcript of the utterance, if there is one."""
        if self._endpointer.speaking:
            utterance = self._endpointer.utterance
            self._endpointer.reset()
            text = await self._emulator.transcript(utterance, self._rate)
            await asyncio.sleep(self._emulator.latency_seconds)
            if text:
                await self.send_transcript(text)

    async def send_speech_started(self) -> None:
        """Send that speech has started."""
        raise NotImplementedError

    async def send_transcript(self, text: str) -> None:
        """Send a final transcript."""
        raise NotImplementedError


class _Version1(_Connection):
    """Version 1: results."""

    async def send_speech_started(self) -> None:
        await self._socket.send_json({"type": "SpeechStarted", "timestamp": 0.0})

    async def send_transcript(self, text: str) -> None:
        alternative = {"transcript": text, "confidence": 0.9, "words": _words(text)}
        result = {
            "type": "Results",
            "is_final": True,
            "speech_final": True,
            "channel": {"alternatives": [alternative]},
            "metadata": {"request_id": "a-request"},
        }
        await self._socket.send_json(result)


class _Version2(_Connection):
    """Version 2, Flux: turns."""

    async def send_speech_started(self) -> None:
        """Send nothing: Flux starts a turn with its first words, and here they come with its end."""

    async def send_transcript(self, text: str) -> None:
        for event in ("StartOfTurn", "EndOfTurn"):
            turn = {
                "type": "TurnInfo",
                "request_id": "a-request",
                "event": event,
                "turn_index": 0,
                "audio_window_start": 0.0,
                "audio_window_end": 1.0,
                "transcript": text,
                "words": _words(text),
                "end_of_turn_confidence": 0.9,
            }
            await self._socket.send_json(turn)


def _words(text: str) -> list[dict[str, Any]]:
    return [
        {"word": word, "punctuated_word": word, "start": index * 0.3, "end": index * 0.3 + 0.3, "confidence": 0.9}
        for index, word in enumerate(text.split())
    ]
