"""An outage of Redis is a line in the log when it begins, and one when it is over."""

from __future__ import annotations

import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from tasks.errors import RedisUnavailable
from tasks.redis_client import Outage
from tasks.redis_client.outage import PROBLEM_CHARACTERS
from tasks.settings.redis_url import RedisUrl

logger = logging.getLogger("switchboard.tests")


@pytest.fixture
def outage() -> Outage:
    return Outage(RedisUrl.parse("rediss://worker:hidden@one:6380/0"), logger, sid="RM_1")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.message, getattr(record, "problem", "")) for record in caplog.records]


def test_each_change_of_state_is_a_line_with_host_and_port(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    outage.answered()
    for _ in range(3):
        outage.failed(RedisConnectionError("Connection refused."))
    for _ in range(3):
        outage.answered()
    assert lines(caplog) == [
        ("Redis fails", "ConnectionError: Connection refused."),
        ("Redis answers again", ""),
    ]
    assert {(vars(record)["redis"], vars(record)["sid"]) for record in caplog.records} == {("one:6380", "RM_1")}
    assert "hidden" not in caplog.text


def test_another_problem_of_the_same_outage_is_a_line_of_its_own_once(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        outage.failed(RedisConnectionError("Connection refused."))
        outage.failed(OutOfMemoryError("command not allowed"))
    assert [problem.partition(":")[0] for _, problem in lines(caplog)] == ["ConnectionError", "OutOfMemoryError"]


def test_a_problem_is_what_redis_has_said_on_one_line_of_bounded_length(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    error = RedisUnavailable(seconds=2.0, error="OutOfMemoryError")
    error.__cause__ = OutOfMemoryError("command\n not allowed " + "." * 1000)
    outage.failed(error)
    ((_, problem),) = lines(caplog)
    assert problem.startswith("OutOfMemoryError: command not allowed ...")
    assert len(problem) == PROBLEM_CHARACTERS
