"""The local LLM: it follows a script, and streams its answer word by word as a model would."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from livekit.agents import NOT_GIVEN, APIConnectOptions, NotGivenOr, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import shortuuid

from pipeline.providers.local.script import Script

_TOKEN = re.compile(r"\S+\s*")


class Mind(llm.LLM[None]):
    """Answers what the script answers; instructions and tools are beyond it. `delay` in seconds, before each word."""

    def __init__(self, script: Script, *, delay: float = 0.0) -> None:
        super().__init__()
        self.script = script
        self.delay = delay

    @property
    def model(self) -> str:
        """The model's name, for metrics."""
        return "script"

    @property
    def provider(self) -> str:
        """The provider's name, for metrics."""
        return "local"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,  # noqa: ARG002 - the interface's
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,  # noqa: ARG002
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,  # noqa: ARG002
    ) -> Thought:
        """Answer the last thing that the user said in the context."""
        return Thought(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Thought(llm.LLMStream):
    """One answer, on its way."""

    def __init__(
        self, mind: Mind, *, chat_ctx: llm.ChatContext, tools: list[llm.Tool], conn_options: APIConnectOptions
    ) -> None:
        self._mind = mind
        super().__init__(mind, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)

    async def _run(self) -> None:
        said = [message.text_content or "" for message in self._chat_ctx.messages() if message.role == "user"]
        words = _TOKEN.findall(self._mind.script.answer(said))
        request = shortuuid("local_")
        for word in words:
            # Even without a delay: so that the answer is a stream, and can be cancelled between two words.
            await asyncio.sleep(self._mind.delay)
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id=request, delta=delta))
        heard = sum(len(text.split()) for text in said)
        usage = llm.CompletionUsage(completion_tokens=len(words), prompt_tokens=heard, total_tokens=len(words) + heard)
        self._event_ch.send_nowait(llm.ChatChunk(id=request, usage=usage))
