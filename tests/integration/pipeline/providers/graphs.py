"""LangGraph graphs that the tests name by their paths."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

THREADS: list[str] = []


class State(TypedDict):
    """The state of a graph: its messages."""

    messages: Annotated[list[AnyMessage], add_messages]


def _graph(node: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("answer", node)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(checkpointer=InMemorySaver())


async def _answer(state: State, config: RunnableConfig) -> dict[str, Any]:
    THREADS.append(config["configurable"]["thread_id"])
    return {"messages": [AIMessage(content=f"You have said: {state['messages'][-1].text}")]}


async def _break(state: State) -> dict[str, Any]:
    raise RuntimeError("a bug in the graph")


async def _hang(state: State) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


echo = _graph(_answer)


def broken() -> Any:
    return _graph(_break)


def hanging() -> Any:
    return _graph(_hang)


number = 7
