"""A LangGraph graph as the language model. Its tools run in the graph."""

from __future__ import annotations

import asyncio
import importlib
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import OwnOptions, own_options

if TYPE_CHECKING:
    from livekit.plugins import langchain


class LangGraphOptions(OwnOptions):
    """`graph`: where the compiled graph is, `module:name`; what is there may also be a function that makes it.

    `configurable`: for the graph, beside the `thread_id` that each call has for itself. `subgraphs`: hear those, too.
    """

    graph: str = Field(pattern=r"^[\w.]+:\w+$")
    configurable: dict[str, Any] = Field(default_factory=dict)
    subgraphs: bool = False


def check_llm(options: ProviderOptions) -> LangGraphOptions:
    """Its own options. The graph itself is imported where the call runs. Raises InvalidProviderOption."""
    return own_options("llm", options, LangGraphOptions)


def build_llm(options: ProviderOptions, own: LangGraphOptions) -> langchain.LLMAdapter[Any]:
    """The graph, on a thread of its own. Raises InvalidProviderOption if there is no graph at `graph`."""
    from livekit.plugins import langchain  # noqa: PLC0415

    graph = _Prompt(_graph(options, own.graph))
    # Each call is built anew, so a graph with a checkpointer never mixes two of them.
    config = {"configurable": {**own.configurable, "thread_id": uuid.uuid4().hex}}
    return langchain.LLMAdapter(graph, config=config, subgraphs=own.subgraphs)  # type: ignore[arg-type]


def _graph(options: ProviderOptions, path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        graph = found if hasattr(found, "astream") else found()
    except Exception as error:
        cure = f"{type(error).__name__}: {error}"
        raise InvalidProviderOption(kind="llm", name=options.name, field="graph", value=path, cure=cure) from error
    if not hasattr(graph, "astream"):
        cure = "it is no compiled graph, nor a function that makes one"
        raise InvalidProviderOption(kind="llm", name=options.name, field="graph", value=path, cure=cure)
    return graph


class _Prompt:
    """The graph, whose failures and silences are those of a provider: the plugin has neither for it."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    async def astream(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        """As the graph's. Raises APITimeoutError, APIConnectionError."""
        from livekit.agents import APIConnectionError, APIError, APITimeoutError  # noqa: PLC0415

        parts = self._graph.astream(*arguments, **options)
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    part = await anext(parts)
                yield part
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise APITimeoutError(f"the graph has said nothing for {SILENCE_SECONDS} s") from None
        except APIError:
            raise
        except Exception as error:
            raise APIConnectionError(f"the graph raised {type(error).__name__}") from error
        finally:
            await parts.aclose()


SILENCE_SECONDS = 10.0
"""A graph may call tools before it says something, so it has longer than a model."""
