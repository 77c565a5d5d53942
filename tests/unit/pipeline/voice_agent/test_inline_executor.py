"""What is run without a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pipeline.voice_agent.inline_executor import ImmediateExecutor


async def test_it_runs_in_the_thread_that_asks_and_its_result_is_there() -> None:
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(ImmediateExecutor(), threading.get_ident) == threading.get_ident()


async def test_what_it_raises_is_raised_to_who_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(ImmediateExecutor(), divmod, 1, 0)


def test_a_future_is_done_when_it_is_given() -> None:
    assert ImmediateExecutor().submit(divmod, 7, 2).result(timeout=0) == (3, 1)
