from __future__ import annotations

import json
import logging

import pytest
from fastapi import FastAPI

from tasks.logs import JsonFormatter
from tests.unit.webhooks.asgi import request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def test_the_id_of_a_request_is_taken_over_into_the_response(app: FastAPI) -> None:
    answer = await request(app, "GET", "/healthz", headers={"X-Request-Id": "proxy-1/2.3:4"})
    assert answer.headers["x-request-id"] == "proxy-1/2.3:4"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, 'a"b', "a\tb", "ü"])
async def test_an_id_that_is_not_valid_is_replaced(app: FastAPI, sent: str) -> None:
    answer = await request(app, "GET", "/healthz", headers={"X-Request-Id": sent})
    assert len(answer.headers["x-request-id"]) == 32


async def test_each_request_without_an_id_gets_one_of_its_own(app: FastAPI) -> None:
    ids = {(await request(app, "GET", "/healthz")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("path", ["/livekit/webhook", "/calls", "/nothing-here"])
async def test_refusals_have_the_id(app: FastAPI, path: str) -> None:
    answer = await request(app, "POST", path, headers={"X-Request-Id": "r1"})
    assert answer.status >= 400
    assert answer.headers["x-request-id"] == "r1"


async def test_the_answer_to_a_bug_has_the_id(app: FastAPI) -> None:
    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/bug", "headers": [(b"x-request-id", b"r1")]}
    with pytest.raises(ZeroDivisionError):
        await app({**scope, "query_string": b"", "root_path": ""}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 500
    assert (b"x-request-id", b"r1") in sent[0]["headers"]  # type: ignore[operator]


async def test_lines_of_a_request_have_its_id_and_its_trace(app: FastAPI) -> None:
    lines: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    keep = Keep()
    logging.getLogger("switchboard.webhooks").addHandler(keep)
    try:
        await request(app, "POST", "/calls", headers={"X-Request-Id": "r1", "traceparent": TRACEPARENT})
    finally:
        logging.getLogger("switchboard.webhooks").removeHandler(keep)
    (line,) = lines
    assert (line["message"], line["request_id"], line["trace_id"]) == ("call request refused", "r1", TRACE)


async def test_a_trace_that_is_not_valid_is_in_no_line(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    await request(app, "POST", "/calls", headers={"traceparent": TRACEPARENT.replace("0", "G")})
    (record,) = (record for record in caplog.records if record.name == "switchboard.webhooks")
    assert "trace_id" not in json.loads(JsonFormatter().format(record))
