"""The local LLM: answers by a script, streamed word by word."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from livekit.agents import NOT_GIVEN, APIConnectOptions, NotGivenOr, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import shortuuid

from pipeline.providers.local.script import Script

_TOKEN = re.compile(r"\S+\s*")


class ScriptedLLM(llm.LLM[None]):
    """LLM that answers by a script. It ignores instructions and tools. `delay_seconds`: before each word."""

    def __init__(self, script: Script, *, delay_seconds: float = 0.0) -> None:
        super().__init__()
        self.script = script
        self.delay_seconds = delay_seconds

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
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,  # noqa: ARG002 - the interface's
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,  # noqa: ARG002 - the interface's
    ) -> ScriptedLLMStream:
        """Answer the last message of the user in the context."""
        return ScriptedLLMStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ScriptedLLMStream(llm.LLMStream):
    """One answer."""

    def __init__(
        self,
        scripted_llm: ScriptedLLM,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
    ) -> None:
        self._scripted_llm = scripted_llm
        super().__init__(scripted_llm, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)

    async def _run(self) -> None:
        texts = [message.text_content or "" for message in self._chat_ctx.messages() if message.role == "user"]
        words = _TOKEN.findall(self._scripted_llm.script.answer(texts))
        request_id = shortuuid("local_")
        for word in words:
            # Even without a delay, so that the answer can be cancelled between two words, as a model's can.
            await asyncio.sleep(self._scripted_llm.delay_seconds)
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id=request_id, delta=delta))
        prompt = sum(len(text.split()) for text in texts)
        usage = llm.CompletionUsage(
            completion_tokens=len(words), prompt_tokens=prompt, total_tokens=len(words) + prompt
        )
        self._event_ch.send_nowait(llm.ChatChunk(id=request_id, usage=usage))
