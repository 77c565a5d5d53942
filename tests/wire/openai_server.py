"""A server on loopback that speaks OpenAI's HTTP API: chat completions (SSE), transcription, and speech.

What it says is made by the local providers; how it says it is OpenAI's, for the unmodified plugin. Each request is
kept.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from pipeline.providers.local.espeak import speak
from pipeline.providers.local.sphinx import recognise

SPHINX_RATE = 16000


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for: the path, the JSON or form fields, and the key it came with."""

    path: str
    fields: dict[str, Any]
    key: str


@dataclass
class OpenAIServer:
    """`phrases` are all that its ears know. Asked about the weather its mind calls the tool; else it says `reply`."""

    phrases: Sequence[str]
    reply: str
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer requests on a free port; `url` is the base URL."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_post("/v1/audio/speech", self._speak)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        try:
            yield
        finally:
            await runner.cleanup()

    def _keep(self, request: web.Request, fields: dict[str, Any]) -> None:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append(Request(request.path, fields, key))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self._keep(request, asked)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta, reason in self._deltas(asked["messages"]):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            await response.write(_event(asked["model"], [choice]))
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        await response.write(_event(asked["model"], [], usage=usage) + b"data: [DONE]\n\n")
        return response

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

    async def _transcribe(self, request: web.Request) -> web.Response:
        form = await request.post()
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        self._keep(request, fields)
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        with wave.open(io.BytesIO(upload.file.read())) as recording:
            samples = np.frombuffer(recording.readframes(recording.getnframes()), dtype=np.int16)
            pcm = _resampled(samples, recording.getframerate()).tobytes()
        heard = await asyncio.to_thread(recognise, pcm, self.phrases)
        return web.json_response({"text": " ".join(heard)})

    async def _speak(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self._keep(request, asked)
        pcm, rate = await asyncio.to_thread(speak, asked["input"])
        file = io.BytesIO()
        with wave.open(file, "wb") as recording:
            recording.setnchannels(1)
            recording.setsampwidth(2)
            recording.setframerate(rate)
            recording.writeframes(pcm)
        return web.Response(body=file.getvalue(), content_type="audio/wav")


def _event(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        **more,
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _resampled(samples: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    positions = np.linspace(0, len(samples) - 1, round(len(samples) * SPHINX_RATE / rate))
    return np.asarray(np.interp(positions, np.arange(len(samples)), samples), dtype=np.int16)
