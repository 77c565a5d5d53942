"""OpenAI's TTS with the deadline of a call: the plugin waits 30 s for speech, whatever it is told."""

from __future__ import annotations

import asyncio

from livekit.agents import APIConnectOptions, APITimeoutError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import aio
from livekit.plugins import openai
from livekit.plugins.openai.tts import ChunkedStream


class PromptTTS(openai.TTS):
    """Speaks, or fails, in time."""

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> ChunkedStream:
        """See the plugin."""
        return PromptSpeech(tts=self, input_text=text, conn_options=conn_options)


class PromptSpeech(ChunkedStream):
    """A text, of which something has to come within each `timeout`."""

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        speaking = asyncio.ensure_future(super()._run(output_emitter))
        pushed = -1.0
        try:
            while not speaking.done():
                if output_emitter.pushed_duration() == pushed:
                    raise APITimeoutError(f"no speech for {self._conn_options.timeout} s")
                pushed = output_emitter.pushed_duration()
                await asyncio.wait({speaking}, timeout=self._conn_options.timeout)
            await speaking
        finally:
            await aio.cancel_and_wait(speaking)
