"""LangGraph: a compiled graph as the LLM. Its tools run inside the graph."""

from __future__ import annotations

import asyncio
import importlib
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.options import ProviderOptions
from pipeline.providers.extra_options import ExtraOptions, invalid_option, parse_extra

if TYPE_CHECKING:
    from livekit.plugins import langchain

GRAPH_TIMEOUT_SECONDS = 10.0
"""Longest time between two parts of an answer. Longer than a model's, because a graph may call tools first."""


class LangGraphOptions(ExtraOptions):
    """Extra options of LangGraph.

    `graph`: `module:name` of the compiled graph, or of a function that returns it. `configurable`: values for the
    graph's config, beside the `thread_id`, which each call has for itself. `subgraphs`: stream their answers, too.
    """

    graph: str = Field(pattern=r"^[\w.]+:\w+$")
    configurable: dict[str, Any] = Field(default_factory=dict)
    subgraphs: bool = False


def validate_llm(options: ProviderOptions) -> LangGraphOptions:
    """Return the extra options, validated. Does not import the graph. Raises InvalidProviderOption."""
    return parse_extra("llm", options, LangGraphOptions)


def build_llm(options: ProviderOptions, extra: LangGraphOptions) -> langchain.LLMAdapter[Any]:
    """Build the LLM, on a thread of its own. Raises InvalidProviderOption if there is no graph at `graph`."""
    from livekit.plugins import langchain  # noqa: PLC0415

    graph = _TimeLimitedGraph(_load_graph(options, extra.graph))
    # A new thread for each call, so that a graph with a checkpointer never mixes two calls.
    config = {"configurable": {**extra.configurable, "thread_id": uuid.uuid4().hex}}
    return langchain.LLMAdapter(graph, config=config, subgraphs=extra.subgraphs)  # type: ignore[arg-type]


def _load_graph(options: ProviderOptions, path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        graph = found if hasattr(found, "astream") else found()
    except Exception as error:
        raise invalid_option("llm", options, "graph", path, f"{type(error).__name__}: {error}") from error
    if not hasattr(graph, "astream"):
        cure = "it is no compiled graph, nor a function that makes one"
        raise invalid_option("llm", options, "graph", path, cure)
    return graph


class _TimeLimitedGraph:
    """A graph with a timeout, whose exceptions are API errors.

    livekit-agents retries and falls back on API errors only; the plugin has neither a timeout nor these errors.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    async def astream(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        """Stream as the graph does. Raises APITimeoutError, APIConnectionError."""
        from livekit.agents import APIConnectionError, APIError, APITimeoutError  # noqa: PLC0415

        parts = self._graph.astream(*arguments, **options)
        try:
            while True:
                async with asyncio.timeout(GRAPH_TIMEOUT_SECONDS):
                    part = await anext(parts)
                yield part
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise APITimeoutError(f"the graph sent nothing for {GRAPH_TIMEOUT_SECONDS} s") from None
        except APIError:
            raise
        except Exception as error:
            raise APIConnectionError(f"the graph raised {type(error).__name__}") from error
        finally:
            await parts.aclose()
