"""`python -m tests.provider_emulators OPTIONS`: Deepgram, OpenAI and ElevenLabs on loopback ports, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import click
import uvloop

from tests.provider_emulators.deepgram import DeepgramEmulator
from tests.provider_emulators.elevenlabs import ElevenlabsEmulator
from tests.provider_emulators.openai import OpenAIEmulator

STT_SECONDS = 0.05
"""After the pause by which the emulator notices the end of an utterance, 0.24 s."""
LLM_SECONDS = 0.25
TTS_SECONDS = 0.1


@click.command(help=__doc__)
@click.option("--deepgram", type=int, required=True, help="Port of the STT.")
@click.option("--openai", type=int, required=True, help="Port of the LLM.")
@click.option("--elevenlabs", type=int, required=True, help="Port of the TTS.")
@click.option("--phrase", required=True, help="The transcript of each utterance, which is not recognised.")
@click.option("--reply", required=True, help="The answer of the LLM.")
def main(*, deepgram: int, openai: int, elevenlabs: int, phrase: str, reply: str) -> None:
    uvloop.run(
        serve(
            DeepgramEmulator([phrase], port=deepgram, latency_seconds=STT_SECONDS, recognises=False),
            OpenAIEmulator(reply=reply, port=openai, latency_seconds=LLM_SECONDS),
            ElevenlabsEmulator(port=elevenlabs, first_sound_seconds=TTS_SECONDS),
        )
    )


async def serve(deepgram: DeepgramEmulator, openai: OpenAIEmulator, elevenlabs: ElevenlabsEmulator) -> None:
    """Answer requests until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with AsyncExitStack() as serving:
        # The last one to listen is the one that `process` asks.
        for emulator in (openai, elevenlabs, deepgram):
            await serving.enter_async_context(emulator.serve())
        await stopping.wait()


if __name__ == "__main__":
    main()
