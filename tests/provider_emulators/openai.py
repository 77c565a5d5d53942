"""OpenAI's HTTP API: chat completions (SSE), transcription and speech. Groq's is the same."""

from __future__ import annotations

import io
import json
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.provider_emulators.server import ProviderEmulator, synthesise, transcribe
from tests.provider_emulators.sse import event, stream

SPEECH_RATE = 24000


@dataclass
class OpenAIEmulator(ProviderEmulator):
    """Emulator whose LLM calls a tool when asked about the weather, and otherwise answers `reply`.

    `tokens`: the output tokens of all answers that were sent to their end.
    """

    prefix: str = "/v1"
    tokens: int = 0

    @property
    def url(self) -> str:
        """See `ProviderEmulator`."""
        return f"{self.root}{self.prefix}"

    def routes(self) -> list[web.RouteDef]:
        """See `ProviderEmulator`."""
        return [
            web.post(f"{self.prefix}/chat/completions", self._chat),
            web.post(f"{self.prefix}/audio/transcriptions", self._transcribe),
            web.post(f"{self.prefix}/audio/speech", self._speak),
            web.get(f"{self.prefix}/models", self._list_models),
        ]

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        # Not among the requests of calls: a client asks for it to have a connection.
        fault = self.fault
        if fault is not None and fault.status is not None:
            return self.refusal(fault.status)
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        fault = await self.admit(request, asked)
        return await stream(self, request, self._chunks(asked), fault)

    def _chunks(self, asked: dict[str, Any]) -> Iterator[bytes]:
        for delta, reason in self._deltas(asked["messages"]):
            yield _chunk(asked["model"], [{"index": 0, "delta": delta, "finish_reason": reason}])
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        self.tokens += usage["completion_tokens"]
        yield _chunk(asked["model"], [], usage=usage)
        yield b"data: [DONE]\n\n"

    def _deltas(self, messages: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str | None]]:
        last = messages[-1]
        if last["role"] == "user" and "weather" in _text(last):
            call = {"name": "lookup_weather", "arguments": json.dumps({"location": "Paris"})}
            yield {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}, None
            yield {}, "tool_calls"
            return
        for word in (_text(last) if last["role"] == "tool" else self.reply).split():
            yield {"role": "assistant", "content": f"{word} "}, None
        yield {}, "stop"

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        fault = await self.admit(request, {name: value for name, value in form.items() if isinstance(value, str)})
        if fault is not None:
            await self.break_off(fault, request)
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        with wave.open(io.BytesIO(upload.file.read())) as recording:
            pcm, rate = recording.readframes(recording.getnframes()), recording.getframerate()
        return web.json_response({"text": await transcribe(pcm, rate, self.phrases)})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        fault = await self.admit(request, asked)
        if fault is not None:
            await self.break_off(fault, request)
        file = io.BytesIO()
        with wave.open(file, "wb") as recording:
            recording.setnchannels(1)
            recording.setsampwidth(2)
            recording.setframerate(SPEECH_RATE)
            recording.writeframes(await synthesise(asked["input"], SPEECH_RATE))
        return web.Response(body=file.getvalue(), content_type="audio/wav")


def _chunk(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "choices": choices,
            **more,
        }
    )


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
