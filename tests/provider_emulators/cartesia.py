"""Cartesia's TTS over a websocket."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import Fault, ProviderEmulator, synthesise


@dataclass
class CartesiaEmulator(ProviderEmulator):
    """Emulator of the TTS. `packets`: all messages received; each names model, voice and language."""

    packets: list[dict[str, Any]] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        """See `ProviderEmulator`."""
        return [web.get("/tts/websocket", self._speak)]

    def key(self, request: web.Request) -> str:
        """See `ProviderEmulator`."""
        return request.headers.get("X-API-Key", "")

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        await self.admit(request, dict(request.query))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            packet = json.loads(message.data)
            self.packets.append(packet)
            context = packet["context_id"]
            if text := packet["transcript"].strip():
                if self.fault in {Fault.CUT, Fault.STALL}:
                    await self.break_off(self.fault, request)
                    break
                audio = base64.b64encode(await synthesise(text, packet["output_format"]["sample_rate"])).decode()
                chunk = {"type": "chunk", "context_id": context, "data": audio, "done": False, "status_code": 206}
                await socket.send_json(chunk)
            if not packet["continue"]:
                await socket.send_json({"type": "done", "context_id": context, "done": True, "status_code": 200})
        return socket
