"""Delivery of webhooks, as by livekit-server: what is answered with 503 is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

T = TypeVar("T")

PAUSES_SECONDS = (1, 2, 4, 8)
"""The pauses of livekit-server before it tries again. Then it gives up."""


async def deliver(post: Callable[[], Awaitable[T]], *, status_of: Callable[[T], int]) -> list[T]:
    """Post until the answer is not 503, or the server would give up. Returns all answers."""
    answers = [await post()]
    for pause in PAUSES_SECONDS:
        if status_of(answers[-1]) != HTTPStatus.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(pause)
        answers.append(await post())
    return answers
