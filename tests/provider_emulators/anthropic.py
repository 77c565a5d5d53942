"""Anthropic's streaming messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import ProviderEmulator
from tests.provider_emulators.sse import event, stream


@dataclass
class AnthropicEmulator(ProviderEmulator):
    """Emulator that answers `reply`, word by word."""

    def routes(self) -> list[web.RouteDef]:
        """See `ProviderEmulator`."""
        return [web.post("/v1/messages", self._answer)]

    def key(self, request: web.Request) -> str:
        """See `ProviderEmulator`."""
        return request.headers.get("x-api-key", "")

    def refusal(self, status: int) -> web.Response:
        """See `ProviderEmulator`."""
        error = {"type": "api_error", "message": f"emulated {status}"}
        return web.json_response({"type": "error", "error": error}, status=status)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        fault = await self.admit(request, asked)
        return await stream(self, request, self._events(asked["model"]), fault)

    def _events(self, model: str) -> Iterator[bytes]:
        usage = {"input_tokens": 10, "output_tokens": 1}
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": model,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        yield event({"type": "message_start", "message": message}, "message_start")
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield event(block, "content_block_start")
        for word in self.reply.split():
            delta = {"type": "text_delta", "text": f"{word} "}
            yield event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
        yield event({"type": "content_block_stop", "index": 0}, "content_block_stop")
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        yield event({"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}}, "message_delta")
        yield event({"type": "message_stop"}, "message_stop")
