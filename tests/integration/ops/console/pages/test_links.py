"""The notice of a call's end with its transcript and links to its audio, as a tenant's backend gets and uses them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from ops.recordings.store import Source
from tasks.background.notices.contents import ConsoleContents, ContentsNotReady, EndedCall
from tasks.background.notices.links import AUDIO, Link, LinkSigner
from tasks.records import RecordStore
from tasks.records.erasure import Eraser
from tasks.settings import Settings
from tests.integration.ops.console.pages.house import ANSWERED, OPENED_MS, RECORDED, SAID, House, ogg, once, transcript
from tests.integration.tasks.background.office import Office, settings_with
from tests.support import databases
from tests.support.backend import Backend, backend
from tests.support.tenants import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = ("transcript", "audio")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(house: House) -> Settings:
    return settings_with(SWITCHBOARD_CONSOLE_URL=house.url, LIVEKIT_API_SECRET=SECRET)


@pytest_asyncio.fixture(loop_scope="module")
async def contents(settings: Settings) -> AsyncIterator[ConsoleContents]:
    console = ConsoleContents(settings)
    yield console
    await console.aclose()


def call(sid: str = RECORDED, tenant: str = "acme", opened_ms: int = OPENED_MS) -> EndedCall:
    return EndedCall(tenant, sid, opened_ms, opened_ms + 5000)


async def follow(address: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    """Return status, body and headers, as a client without a cookie gets them."""
    async with aiohttp.ClientSession() as session, session.request(method, address, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def recorded(house: House, sid: str, ended_ms: int | None = None) -> None:
    """A call that is over and was recorded, now if nothing else is said."""
    opened_ms = ended_ms or int(time.time() * 1000) - 5000
    parts: dict[str, Any] = {"at:recording_audio": str(opened_ms), "at:recording_transcript": str(opened_ms)}
    entries = [
        databases.attempt_entry(sid, opened_ms=opened_ms, seconds=4, **parts),
        databases.call_entry(sid, opened_ms=opened_ms, seconds=4),
    ]
    await databases.write(house.database, entries)


async def test_a_backend_gets_the_transcript_and_a_link_that_it_plays_without_signing_in(
    house: House, settings: Settings
) -> None:
    redis: Redis = house.rooms.redis
    async with backend() as acme, Office.open(redis, settings) as worker:
        await worker.declare(acme=acme.url, more={"include": list(BOTH)})
        fields: dict[Any, Any] = databases.call_entry(RECORDED, opened_ms=OPENED_MS, seconds=4)
        await redis.xadd("switchboard:notice_events", fields)
        await worker.work_until(lambda: acme.received)
        data = _data(acme)
    assert data["record"]["state"] == "ended"
    assert [entry["text"] for entry in data["transcript"] if entry["kind"] == "message"] == [SAID, ANSWERED]
    (audio,) = data["audio"]
    status, body, headers = await follow(audio["url"])
    assert (status, body, headers["Content-Type"]) == (200, await _audio(house), "audio/ogg")
    status, body, headers = await follow(audio["url"], Range="bytes=4-9")
    assert (status, body) == (206, (await _audio(house))[4:10])
    assert headers["Content-Range"].startswith("bytes 4-9/")
    assert (await follow(audio["url"], "HEAD"))[0] == 200
    async with house.visitor("ann") as ann:
        log = (await ann.get("/audit"))[1]
    assert "backend of acme" in log
    assert "heard the recording" in log
    signature = dict(parse_qsl(urlsplit(audio["url"]).query))["signature"]
    assert signature not in house.console.log.read_text()
    assert signature not in log


async def test_a_link_opens_nothing_but_its_own_audio(house: House, contents: ConsoleContents) -> None:
    (audio,) = (await contents.read(call(), ("audio",)))["audio"]
    parts = urlsplit(audio["url"])
    query = dict(parse_qsl(parts.query))
    others = {
        "forged": parts._replace(query=urlencode(query | {"signature": "0" * 64})),
        "longer": parts._replace(query=urlencode(query | {"expires": str(int(query["expires"]) + 1)})),
        "another tenant": parts._replace(query=urlencode(query | {"tenant": "bolt"})),
        "another call": parts._replace(path=parts.path.replace(RECORDED, "RM_other")),
        "another attempt": parts._replace(path=parts.path.replace("/1", "/2")),
        "its contents": parts._replace(path=f"/links/contents/{RECORDED}/1"),
        "unsigned": parts._replace(query=""),
    }
    for what, address in others.items():
        assert (await follow(address.geturl()))[0] == 403, what
    for path in (f"/calls/{RECORDED}", f"/calls/{RECORDED}/attempts/1/audio", "/"):
        status, body, _ = await follow(parts._replace(path=path).geturl(), Accept="text/html")
        assert SAID.encode() not in body, path
        assert status in {200, 401}, path
        assert b"Sign in" in body or status == 401, path


async def test_a_link_that_has_expired_is_refused(house: House, settings: Settings) -> None:
    link = Link(AUDIO, "acme", RECORDED, 1, int(time.time()) + 60)
    signer = LinkSigner(settings)
    assert (await follow(house.url + signer.sign(link)))[0] == 200
    expired = replace(link, expires=int(time.time()) - 1)
    status, body, _ = await follow(house.url + signer.sign(expired))
    assert status == 403
    assert b"expired" in body


async def test_a_tenant_gets_nothing_of_anothers_call(house: House, contents: ConsoleContents) -> None:
    del house
    with pytest.raises(ContentsNotReady):
        await contents.read(call(tenant="bolt"), BOTH)


async def test_contents_are_waited_for_as_long_as_they_may_arrive(house: House, contents: ConsoleContents) -> None:
    with pytest.raises(ContentsNotReady):
        await contents.read(call("RM_unwritten"), BOTH)
    await recorded(house, "RM_late")
    opened_ms = await _opened(house, "RM_late")
    with pytest.raises(ContentsNotReady):
        await contents.read(call("RM_late", opened_ms=opened_ms), BOTH)
    source = Source("acme", "RM_late", 1)
    await house.archive.store.begin(source)
    await house.archive.store.put_audio(source, once(ogg()), began_ms=opened_ms)
    with pytest.raises(ContentsNotReady):
        await contents.read(call("RM_late", opened_ms=opened_ms), BOTH)
    assert set(await contents.read(call("RM_late", opened_ms=opened_ms), ("audio",))) == {"audio"}
    await house.archive.store.put_session(source, summary={}, transcript=transcript(opened_ms / 1000))
    assert set(await contents.read(call("RM_late", opened_ms=opened_ms), BOTH)) == set(BOTH)


async def test_the_links_of_an_erased_call_are_dead(house: House, contents: ConsoleContents) -> None:
    await recorded(house, "RM_erased")
    opened_ms = await _opened(house, "RM_erased")
    source = Source("acme", "RM_erased", 1)
    await house.archive.store.begin(source)
    await house.archive.store.put_audio(source, once(ogg()), began_ms=opened_ms)
    await house.archive.store.put_session(source, summary={}, transcript=transcript(opened_ms / 1000))
    (audio,) = (await contents.read(call("RM_erased", opened_ms=opened_ms), BOTH))["audio"]
    assert (await follow(audio["url"]))[0] == 200
    assert await house.archive.erasure.erase("RM_erased", Eraser("ann")) is not None
    assert (await follow(audio["url"]))[0] == 404
    assert await contents.read(call("RM_erased", opened_ms=opened_ms), BOTH) == {}


def _data(acme: Backend) -> dict[str, Any]:
    received = acme.received[0]
    assert received.is_signed()
    data: dict[str, Any] = received.content["data"]
    return data


async def _audio(house: House) -> bytes:
    audio = await house.archive.recordings.audio(RECORDED, 1)
    return b"".join([part async for part in audio.read(0, audio.size)])


async def _opened(house: House, sid: str) -> int:
    details = await RecordStore(house.database).get_call(sid)
    assert details is not None
    return details.call.opened_ms
