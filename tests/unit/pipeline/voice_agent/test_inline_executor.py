"""Functions run without a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pipeline.voice_agent.inline_executor import InlineExecutor


async def test_a_function_runs_in_the_calling_thread() -> None:
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(InlineExecutor(), threading.get_ident) == threading.get_ident()


async def test_an_error_of_the_function_is_raised_to_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(InlineExecutor(), divmod, 1, 0)


async def test_a_result_is_there_before_the_loop_turns() -> None:
    loop = asyncio.get_running_loop()
    turned: list[bool] = []
    loop.call_soon(turned.append, True)  # noqa: FBT003 - a callback's argument
    assert await loop.run_in_executor(InlineExecutor(), divmod, 7, 2) == (3, 1)
    assert not turned
