from __future__ import annotations

import json
import logging

from tasks.logs import JsonFormatter


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
