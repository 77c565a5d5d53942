"""ElevenLabs' TTS over a websocket with several contexts."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import Fault, ProviderEmulator, synthesise


@dataclass
class ElevenlabsEmulator(ProviderEmulator):
    """Emulator of the TTS, for `output_format` pcm_<rate>. `packets`: all messages received.

    `first_sound_seconds`: the time to the audio of each text, on top of the latency of a connection.
    """

    packets: list[dict[str, Any]] = field(default_factory=list)
    first_sound_seconds: float = 0.0

    @property
    def url(self) -> str:
        """See `ProviderEmulator`."""
        return f"{self.root}/v1"

    def routes(self) -> list[web.RouteDef]:
        """See `ProviderEmulator`."""
        return [web.get("/v1/text-to-speech/{voice}/multi-stream-input", self._speak)]

    def key(self, request: web.Request) -> str:
        """See `ProviderEmulator`."""
        return request.headers.get("xi-api-key", "")

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        await self.admit(request, {**request.query, "voice": request.match_info["voice"]})
        rate = int(request.query["output_format"].removeprefix("pcm_"))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            packet = json.loads(message.data)
            self.packets.append(packet)
            context = packet.get("context_id")
            if packet.get("close_context"):
                await socket.send_json({"contextId": context, "isFinal": True})
            elif text := packet.get("text", "").strip():
                if self.fault in {Fault.CUT, Fault.STALL}:
                    await self.break_off(self.fault, request)
                    break
                await asyncio.sleep(self.first_sound_seconds)
                audio = base64.b64encode(await synthesise(text, rate)).decode()
                await socket.send_json({"contextId": context, "audio": audio, "isFinal": False})
            elif packet.get("close_socket"):
                break
        return socket
