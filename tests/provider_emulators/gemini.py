"""Gemini's streaming generateContent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import ProviderEmulator
from tests.provider_emulators.sse import event, stream


@dataclass
class GeminiEmulator(ProviderEmulator):
    """Emulator that answers `reply`, word by word. The model comes in the path, and is recorded with the fields."""

    def routes(self) -> list[web.RouteDef]:
        """See `ProviderEmulator`."""
        return [web.post("/{version}/models/{model}:streamGenerateContent", self._answer)]

    def key(self, request: web.Request) -> str:
        """See `ProviderEmulator`."""
        return request.headers.get("x-goog-api-key", "")

    def refusal(self, status: int) -> web.Response:
        """See `ProviderEmulator`."""
        error = {"code": status, "message": f"emulated {status}", "status": "UNKNOWN"}
        return web.json_response({"error": error}, status=status)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        model = request.match_info["model"]
        fault = await self.admit(request, {**asked, "model": model})
        return await stream(self, request, self._events(model), fault)

    def _events(self, model: str) -> Iterator[bytes]:
        words = self.reply.split()
        for count, word in enumerate(words, start=1):
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": f"{word} "}]}, "index": 0}
            if count == len(words):
                candidate["finishReason"] = "STOP"
            usage = {"promptTokenCount": 10, "candidatesTokenCount": count, "totalTokenCount": 10 + count}
            yield event({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})
