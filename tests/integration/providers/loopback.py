"""Servers on loopback that speak a provider's protocol to its unmodified plugin, and keep what it asked for.

They hear and speak with the local providers; only the wire is the other provider's.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from pipeline.providers.local.espeak import speak
from pipeline.providers.local.sphinx import recognise
from tests.unit.providers.speech import resampled


class Loopback:
    """One websocket address on a free port. `requests` are the handshakes that it has seen."""

    path: str

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer; `url` is the server's, without a path."""
        app = web.Application()
        app.router.add_get(self.path, self._accept)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _accept(self, request: web.Request) -> web.WebSocketResponse:
        self.requests.append(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.talk(socket)
        return socket

    async def talk(self, socket: web.WebSocketResponse) -> None:
        """Speak the protocol until the client is done."""
        raise NotImplementedError


class DeepgramServer(Loopback):
    """Deepgram's live transcription: audio in, and one final result for it when the client says that it is over."""

    path = "/v1/listen"

    def __init__(self, phrases: Sequence[str]) -> None:
        super().__init__()
        self._phrases = phrases

    async def talk(self, socket: web.WebSocketResponse) -> None:
        """See `Loopback`."""
        audio = b""
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                audio += message.data
            elif json.loads(message.data)["type"] == "CloseStream":
                heard = " ".join(await asyncio.to_thread(recognise, audio, self._phrases))
                await socket.send_json({"type": "SpeechStarted", "timestamp": 0.0})
                await socket.send_json(self._result(heard))
                return

    @staticmethod
    def _result(heard: str) -> dict[str, Any]:
        words = [
            {"word": word, "punctuated_word": word, "start": place * 0.3, "end": place * 0.3 + 0.3, "confidence": 0.9}
            for place, word in enumerate(heard.split())
        ]
        return {
            "type": "Results",
            "is_final": True,
            "speech_final": True,
            "channel": {"alternatives": [{"transcript": heard, "confidence": 0.9, "words": words}]},
            "metadata": {"request_id": "a-request"},
        }


class ElevenlabsServer(Loopback):
    """ElevenLabs' text to speech over one websocket for many contexts. `output_format` has to be pcm_16000."""

    path = "/v1/text-to-speech/{voice}/multi-stream-input"

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[dict[str, Any]] = []

    async def talk(self, socket: web.WebSocketResponse) -> None:
        """See `Loopback`."""
        async for message in socket:
            packet = json.loads(message.data)
            self.packets.append(packet)
            context = packet.get("context_id")
            if packet.get("close_context"):
                await socket.send_json({"contextId": context, "isFinal": True})
            elif text := packet.get("text", "").strip():
                pcm, rate = await asyncio.to_thread(speak, text)
                audio = base64.b64encode(resampled(pcm, rate, 16000)).decode()
                await socket.send_json({"contextId": context, "audio": audio, "isFinal": False})
            elif packet.get("close_socket"):
                return
