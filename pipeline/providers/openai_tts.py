"""OpenAI's TTS with a deadline. The plugin waits 30 s for speech, whatever timeout it is given."""

from __future__ import annotations

import asyncio

from livekit.agents import APIConnectOptions, APITimeoutError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import aio
from livekit.plugins import openai
from livekit.plugins.openai.tts import ChunkedStream


class DeadlineTTS(openai.TTS):
    """The plugin's TTS, whose streams fail when no speech comes within the timeout."""

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> ChunkedStream:
        """Synthesize a text, as the plugin does."""
        return DeadlineChunkedStream(tts=self, input_text=text, conn_options=conn_options)


class DeadlineChunkedStream(ChunkedStream):
    """The plugin's stream, which raises APITimeoutError when a period of `conn_options.timeout` brings no speech."""

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        receiving = asyncio.ensure_future(super()._run(output_emitter))
        pushed = -1.0
        try:
            while not receiving.done():
                if output_emitter.pushed_duration() == pushed:
                    raise APITimeoutError(f"no speech for {self._conn_options.timeout} s")
                pushed = output_emitter.pushed_duration()
                await asyncio.wait({receiving}, timeout=self._conn_options.timeout)
            await receiving
        finally:
            await aio.cancel_and_wait(receiving)
