from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.agents import load_agent
from pipeline.errors import AgentNotFound

Write = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module that can be imported; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(content: str) -> str:
        name = f"an_agent_{tmp_path.name}"
        (tmp_path / f"{name}.py").write_text(content)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def test_a_function_is_an_agent_and_the_prewarm_beside_it_is_its_prewarm(module: Write) -> None:
    name = module("async def entrypoint(ctx): ...\ndef prewarm(proc): ...\n")
    agent = load_agent(f"{name}:entrypoint")
    module_of = sys.modules[name]
    assert (agent.target, agent.prewarm) == (module_of.entrypoint, module_of.prewarm)


@pytest.mark.parametrize(
    ("content", "path", "cure"),
    [
        ("", "nothing", "write it as module:function"),
        ("", ":entrypoint", "write it as module:function"),
        ("", "no_such_module:entrypoint", "importing no_such_module raised ModuleNotFoundError"),
        ("1 / 0", "{}:entrypoint", "raised ZeroDivisionError: division by zero"),
        ("", "{}:entrypoint", "has no entrypoint"),
        ("def entrypoint(ctx): ...", "{}:entrypoint", "neither an async function nor an AgentServer, but function"),
    ],
)
def test_a_path_without_an_agent_is_refused_with_the_reason(module: Write, content: str, path: str, cure: str) -> None:
    with pytest.raises(AgentNotFound) as raised:
        load_agent(path.format(module(content)))
    assert cure in str(raised.value)
