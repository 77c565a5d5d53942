"""Transcripts and audio in the notice of a call's end: from a source that may be late, or fail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from tasks.background.notices import NoticeState, contents
from tasks.background.notices.contents import ContentsNotReady, EndedCall
from tests.integration.tasks.background.office import Office
from tests.support.backend import Backend

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDED = {
    "kind": "call",
    "sid": "RM_1",
    "name": "x",
    "tenant": "acme",
    "tier": "premium",
    "attempt": "0",
    "attempts": "0",
}
MORE = {"state": "cancelled", "outcome": "room finished", "usage": "[]", "at:opened": "5", "ended_by": "callers"}
BOTH = {"transcript": [{"role": "user", "text": "hello"}], "audio": {"url": "https://x/y"}, "video": "none of it"}


class Source:
    """A source that answers, or raises, one after another."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        self.answers = [*answers]
        self.asked: list[tuple[EndedCall, Collection[str]]] = []

    async def read(self, call: EndedCall, wanted: Collection[str]) -> Mapping[str, Any]:
        self.asked.append((call, wanted))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def ended_data(office: Office, acme: Backend, source: Source | None) -> dict[str, Any]:
    async with Office.open(office.redis, source=source) as worker:
        await worker.declare(acme=acme.url, more={"include": ["transcript", "audio"]})
        fields: dict[Any, Any] = {**ENDED, **MORE}
        await worker.event("started")
        await worker.redis.xadd("switchboard:notice_events", fields)
        await worker.work_until(lambda: len(acme.received) == 2)
    data: dict[str, Any] = acme.received[1].content["data"]
    return data


async def test_what_the_tenant_wants_is_in_the_notice_of_the_end_alone(office: Office, acme: Backend) -> None:
    source = Source(BOTH)
    data = await ended_data(office, acme, source)
    assert (data["transcript"], data["audio"]) == (BOTH["transcript"], BOTH["audio"])
    assert "video" not in data
    ((call, wanted),) = source.asked
    assert (call.tenant, call.sid, call.opened_ms, tuple(wanted)) == ("acme", "RM_1", 5, ("transcript", "audio"))


async def test_a_notice_waits_for_contents_that_may_still_come(
    office: Office, acme: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "AGAIN_SECONDS", 0.01)
    source = Source(ContentsNotReady(), ContentsNotReady(), {"transcript": []})
    data = await ended_data(office, acme, source)
    assert data["transcript"] == []
    assert "audio" not in data
    notice = (await office.notices())[1]
    assert (notice.state, notice.tries, len(notice.attempts)) == (NoticeState.DELIVERED, 0, 1)


@pytest.mark.parametrize("error", [ContentsNotReady(), RuntimeError("broken")])
async def test_a_notice_is_sent_without_contents_that_do_not_come(
    office: Office, acme: Backend, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(contents, "WAIT_SECONDS", 0)
    data = await ended_data(office, acme, Source(error))
    assert data["record"]["state"] == "cancelled"
    assert "transcript" not in data


async def test_without_the_address_of_the_console_a_notice_has_its_record_alone_and_the_log_names_the_setting(
    office: Office, acme: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    data = await ended_data(office, acme, None)
    assert data["record"]["state"] == "cancelled"
    assert not {"transcript", "audio"} & data.keys()
    (line,) = [each for each in caplog.records if each.message == "contents of a notice not there"]
    assert "SWITCHBOARD_CONSOLE_URL" in line.__dict__["problem"]
