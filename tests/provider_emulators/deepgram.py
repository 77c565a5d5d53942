"""Deepgram's live transcription, both versions of its websocket protocol."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from pipeline.providers.local.endpoint import Endpointer, Turn
from tests.provider_emulators.server import Fault, WireServer, heard


@dataclass
class DeepgramServer(WireServer):
    """Answers after each utterance. A fault in the middle comes with the first sound of one."""

    audio_seconds: float = 0.0
    sockets: set[web.WebSocketResponse] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The first version's address."""
        return f"{self.root}/v1/listen"

    @property
    def flux_url(self) -> str:
        """The second version's address."""
        return f"{self.root}/v2/listen"

    def routes(self) -> list[web.RouteDef]:
        """See `WireServer`."""
        return [web.get("/v1/listen", self._listen), web.get("/v2/listen", self._listen)]

    def key(self, request: web.Request) -> str:
        """See `WireServer`."""
        return request.headers.get("Authorization", "").removeprefix("Token ")

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, Any] = {name: request.query.getall(name) for name in request.query}
        fault = await self.admit(request, {name: got[0] if len(got) == 1 else got for name, got in fields.items()})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        rate = int(request.query.get("sample_rate", "16000"))
        talk = _Flux if request.path.startswith("/v2") else _Nova
        conversation = talk(socket, rate, self)
        async for message in socket:
            # A fault that was set meanwhile holds for what is said from now on.
            fault = fault or (self.fault if self.fault in {Fault.CUT, Fault.STALL} else None)
            if message.type is WSMsgType.BINARY:
                self.audio_seconds += len(message.data) / 2 / rate
                speaks = await conversation.hear(message.data, silent=fault is Fault.STALL)
                if speaks and fault is Fault.CUT:
                    await self.break_off(fault, request)
                    break
            elif json.loads(message.data)["type"] == "CloseStream":
                if fault is None:
                    await conversation.end()
                break
        return socket


class _Conversation:
    """One connection: audio in, the utterances in it out."""

    def __init__(self, socket: web.WebSocketResponse, rate: int, server: DeepgramServer) -> None:
        self._socket = socket
        self._rate = rate
        self._server = server
        self._endpointer = Endpointer()
        self._rest = b""

    async def hear(self, pcm: bytes, *, silent: bool) -> bool:
        """Whether somebody speaks in it."""
        self._rest += pcm
        frames = list(Endpointer.frames(self._rest))
        for frame in frames:
            turn = self._endpointer.feed(frame)
            if silent:
                if turn is Turn.QUIET:
                    self._endpointer.reset()
            elif turn is Turn.STARTED:
                await self.started()
            elif turn is Turn.QUIET:
                await self.end()
        self._rest = self._rest[sum(map(len, frames)) :]
        return self._endpointer.speaking

    async def end(self) -> None:
        """Say what was heard since the last utterance."""
        if self._endpointer.speaking:
            words = await heard(self._endpointer.utterance, self._rate, self._server.phrases)
            self._endpointer.reset()
            await asyncio.sleep(self._server.latency_seconds)
            if words:
                await self.understood(words)

    async def started(self) -> None:
        """Somebody begins to speak."""
        raise NotImplementedError

    async def understood(self, words: str) -> None:
        """These words have been said."""
        raise NotImplementedError


class _Nova(_Conversation):
    """The first version: results."""

    async def started(self) -> None:
        await self._socket.send_json({"type": "SpeechStarted", "timestamp": 0.0})

    async def understood(self, words: str) -> None:
        alternative = {"transcript": words, "confidence": 0.9, "words": _words(words)}
        result = {
            "type": "Results",
            "is_final": True,
            "speech_final": True,
            "channel": {"alternatives": [alternative]},
            "metadata": {"request_id": "a-request"},
        }
        await self._socket.send_json(result)


class _Flux(_Conversation):
    """The second version: turns."""

    async def started(self) -> None:
        """Flux tells of a turn with its first words, which come with its end here."""

    async def understood(self, words: str) -> None:
        for event in ("StartOfTurn", "EndOfTurn"):
            turn = {
                "type": "TurnInfo",
                "request_id": "a-request",
                "event": event,
                "turn_index": 0,
                "audio_window_start": 0.0,
                "audio_window_end": 1.0,
                "transcript": words,
                "words": _words(words),
                "end_of_turn_confidence": 0.9,
            }
            await self._socket.send_json(turn)


def _words(words: str) -> list[dict[str, Any]]:
    return [
        {"word": word, "punctuated_word": word, "start": place * 0.3, "end": place * 0.3 + 0.3, "confidence": 0.9}
        for place, word in enumerate(words.split())
    ]
