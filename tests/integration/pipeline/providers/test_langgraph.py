"""A tenant's LangGraph graph as the LLM."""

from __future__ import annotations

import pytest
from livekit.agents import APIConnectionError, APIConnectOptions, APITimeoutError, llm

from pipeline.errors import InvalidProviderOption
from pipeline.options import ProviderOptions
from pipeline.providers import build_llm
from pipeline.providers import langgraph as provider
from tests.integration.pipeline.providers import graphs
from tests.integration.pipeline.providers.test_llms import answer_words

GRAPHS = "tests.integration.pipeline.providers.graphs"
ONCE = APIConnectOptions(max_retry=0)


def graph(name: str) -> ProviderOptions:
    return ProviderOptions("langgraph", extra={"graph": f"{GRAPHS}:{name}"})


async def test_each_call_has_a_thread_of_its_own_and_keeps_it() -> None:
    graphs.THREADS.clear()
    one, two = build_llm(graph("echo")), build_llm(graph("echo"))
    assert "".join(await answer_words(one, "hello")) == "You have said: hello"
    await answer_words(one, "again")
    await answer_words(two, "hello")
    assert graphs.THREADS[0] == graphs.THREADS[1] != graphs.THREADS[2]


async def ask(options: ProviderOptions) -> None:
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="hello")
    await build_llm(options).chat(chat_ctx=context, conn_options=ONCE).collect()


async def test_a_graph_that_raises_is_a_provider_that_fails() -> None:
    with pytest.raises(APIConnectionError, match="the graph raised RuntimeError"):
        await ask(graph("broken"))


async def test_a_graph_that_sends_nothing_is_a_provider_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "GRAPH_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(APITimeoutError):
        await ask(graph("hanging"))


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("tests.integration.pipeline.providers.graphs:missing", "AttributeError"),
        ("no_such_module:graph", "ModuleNotFoundError"),
        ("tests.integration.pipeline.providers.graphs:number", "TypeError"),
    ],
)
def test_a_missing_graph_is_named_in_the_error(path: str, cure: str) -> None:
    with pytest.raises(InvalidProviderOption, match=cure):
        build_llm(ProviderOptions("langgraph", extra={"graph": path}))
