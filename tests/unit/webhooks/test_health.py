from __future__ import annotations

from fastapi import FastAPI

from tests.unit.webhooks.asgi import request
from tests.unit.webhooks.memory import REDIS_AWAY, MemoryDispatcher


async def test_a_process_is_up_whatever_redis_does(app: FastAPI, dispatcher: MemoryDispatcher) -> None:
    dispatcher.problem = REDIS_AWAY

    assert (await request(app, "GET", "/healthz")).status == 200


async def test_a_receiver_is_ready_when_redis_answers(app: FastAPI) -> None:
    assert (await request(app, "GET", "/readyz")).status == 200


async def test_a_receiver_without_redis_is_not_ready(app: FastAPI, dispatcher: MemoryDispatcher) -> None:
    dispatcher.problem = REDIS_AWAY

    answer = await request(app, "GET", "/readyz")

    assert (answer.status, answer.json) == (503, {"status": "redis unavailable"})
