from __future__ import annotations

import contextvars
import io
import json
import logging
import sys
from typing import Any

import httpx
import httpx2
import pytest

from tasks import logs
from tasks.logs import JsonFormatter
from tasks.logs.streams import LoggedStream


def line(level: int, **fields: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "x", "levelno": level, "levelname": "L", "msg": "static", **fields})
    written: dict[str, object] = json.loads(JsonFormatter().format(record))
    return written


def test_a_record_is_one_json_object_with_its_fields() -> None:
    written = line(logging.INFO, sid="RM_1", tenant="acme")
    assert (written["message"], written["sid"], written["tenant"]) == ("static", "RM_1", "acme")


def test_names_of_rooms_and_people_are_left_out_above_debug() -> None:
    personal = {"room": "r", "lk.room_name": "r", "participant": "p", "lk.participant_identity": "p", "transcript": "t"}
    assert not personal.keys() & line(logging.INFO, **personal).keys()
    assert personal.keys() <= line(logging.DEBUG, **personal).keys()


def test_fields_of_the_process_and_of_the_request_are_in_each_line() -> None:
    def written() -> dict[str, object]:
        logs.add_fields(process="receiver")
        logs.set_request_fields(request_id="r1")
        logs.set_request_fields(trace_id="t1")
        return line(logging.INFO, sid="RM_1")

    found = contextvars.copy_context().run(written)
    assert (found["process"], found["request_id"], found["trace_id"], found["sid"]) == ("receiver", "r1", "t1", "RM_1")
    assert "request_id" not in line(logging.INFO)


def test_uvicorns_access_log_has_fields_and_no_query() -> None:
    arguments = ("10.0.0.1:5", "POST", "/twilio/incoming?try=2", "1.1", 200)
    record = logging.makeLogRecord(
        {"name": "uvicorn.access", "levelno": logging.INFO, "msg": '%s - "%s %s HTTP/%s" %d', "args": arguments}
    )
    written = json.loads(JsonFormatter().format(record))
    assert written["message"] == "request answered"
    assert (written["method"], written["path"], written["status"]) == ("POST", "/twilio/incoming", 200)


def test_what_a_program_prints_is_a_line_for_each_line(caplog: pytest.LogCaptureFixture) -> None:
    stream = LoggedStream("stdout", logging.INFO, sys.stdout)
    with caplog.at_level(logging.INFO):
        print("100% of it", file=stream)
        print("a", "b\nc", file=stream, end="")
        print("d", file=stream)
        print("not at its end", file=stream, end="", flush=True)
    assert [record.getMessage() for record in caplog.records] == ["100% of it", "a b", "cd", "not at its end"]


def test_a_program_may_still_write_bytes_and_ask_for_the_file() -> None:
    stream = LoggedStream("stdout", logging.INFO, sys.__stderr__ or sys.stderr)
    stream.buffer.write(b"")
    assert (stream.fileno(), stream.isatty(), stream.writable()) == (2, False, True)


def test_a_log_that_prints_does_not_go_on_for_ever() -> None:
    written = io.StringIO()
    stream = LoggedStream("printing", logging.INFO, written)

    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("printed by the handler", file=stream)

    logger = logging.getLogger("printing")
    logger.addHandler(handler := Printing())
    logger.setLevel(logging.INFO)
    try:
        print("hello", file=stream)
    finally:
        logger.removeHandler(handler)
    assert written.getvalue() == "printed by the handler\n"


def test_a_record_that_cannot_be_formatted_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers = root.handlers[:]
    logs.set_up("INFO")
    try:
        logging.getLogger("x").warning("%d of them", "many")
    finally:
        root.handlers[:] = handlers
    (text,) = capsys.readouterr().err.splitlines()
    assert json.loads(text)["message"] == "record could not be logged"


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_requests_to_providers_are_not_logged(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers = root.handlers[:]
    logs.set_up("INFO")
    try:
        transport = library.MockTransport(lambda _: library.Response(200))
        with library.Client(transport=transport, trust_env=False) as client:
            client.get("https://provider.example/v1?token=secret")
        logging.getLogger("x").info("the handler works")
    finally:
        root.handlers[:] = handlers
    assert "the handler works" in (err := capsys.readouterr().err)
    assert "provider.example" not in err
