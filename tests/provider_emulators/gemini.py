"""Gemini's generateContent, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import WireServer
from tests.provider_emulators.sse import event, stream


@dataclass
class GeminiServer(WireServer):
    """Says `reply`, word by word. The model is in the path and kept with the fields."""

    def routes(self) -> list[web.RouteDef]:
        """See `WireServer`."""
        return [web.post("/{version}/models/{model}:streamGenerateContent", self._answer)]

    def key(self, request: web.Request) -> str:
        """See `WireServer`."""
        return request.headers.get("x-goog-api-key", "")

    def refusal(self, status: int) -> web.Response:
        """See `WireServer`."""
        error = {"code": status, "message": f"the wire server says {status}", "status": "UNKNOWN"}
        return web.json_response({"error": error}, status=status)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        model = request.match_info["model"]
        fault = await self.admit(request, {**asked, "model": model})
        return await stream(self, request, self._events(model), fault)

    def _events(self, model: str) -> Iterator[bytes]:
        words = self.reply.split()
        for place, word in enumerate(words, start=1):
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": f"{word} "}]}, "index": 0}
            if place == len(words):
                candidate["finishReason"] = "STOP"
            usage = {"promptTokenCount": 10, "candidatesTokenCount": place, "totalTokenCount": 10 + place}
            yield event({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})
