"""*Now*: what changes is shown, to each viewer what it wants to see, and cheaply."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import psutil
import pytest

from tasks.rooms import RoomStore, State
from tests.integration.ops.console.pages.house import House, Visitor, open_room
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGED_SECONDS = 10.0
MOST_CPU = 0.10
SECONDS = 4.0


async def following(visitor: Visitor, **wanted: str) -> tuple[aiohttp.ClientResponse, str]:
    """A stream of changes after the page that is shown, and the page."""
    _, page = await visitor.get("/", params=wanted)
    last = page.partition('data-stream="')[2].partition('"')[0]
    return await visitor.session.get("/now/changes", params={**wanted, "last": last}), page


async def next_change(stream: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(CHANGED_SECONDS):
        async for line in stream.content:
            if line.startswith(b"data: "):
                content: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return content
    pytest.fail("the stream has ended")


async def test_a_room_comes_moves_and_goes(house: House) -> None:
    async with house.visitor("bob") as bob:
        stream, page = await following(bob)
        assert 'id="room-RM_new"' not in page
        await open_room(house.rooms, "RM_new", "bolt")
        change = await next_change(stream)
        assert [row[:2] for row in change["rows"]] == [["waiting", "RM_new"]]
        assert "call-bolt-new" in change["rows"][0][2]
        assert set(change["parts"]) == {"summary"}
        await house.rooms.claim("RM_new", 1, claimant="c", worker="standard@one", pid=8)
        change = await next_change(stream)
        assert [row[:2] for row in change["rows"]] == [["running", "RM_new"]]
        await house.rooms.end("RM_new", 1, outcome="room empty")
        change = await next_change(stream)
        assert change["gone"] == ["RM_new"]
        stream.close()


async def test_a_viewer_is_sent_only_what_its_filter_lets_through(house: House) -> None:
    async with house.visitor("bob") as bob:
        stream, page = await following(bob, tenant="acme", number="123456")
        assert 'id="room-RM_two"' in page
        assert 'id="room-RM_one"' not in page
        await open_room(house.rooms, "RM_other", "bolt")
        change = await next_change(stream)
        assert change["rows"] == []
        assert "summary" in change["parts"]
        stream.close()
    await house.rooms.close("RM_other")


async def test_a_viewer_whose_connection_broke_goes_on_where_it_was_and_a_stranger_gets_everything(
    house: House,
) -> None:
    async with house.visitor("bob") as bob:
        stream, _ = await following(bob)
        await open_room(house.rooms, "RM_seen", "bolt")
        # What changes first may be something else, such as a room of the test before.
        while "RM_seen" not in {row[1] for row in (await next_change(stream))["rows"]}:
            pass
        stream.close()
        again = await bob.session.get("/now/changes", headers={"Last-Event-ID": "elsewhere-7"})
        everything = await next_change(again)
        assert everything["all"]
        assert {"RM_one", "RM_two", "RM_seen"} <= {row[1] for row in everything["rows"]}
        again.close()
    await house.rooms.close("RM_seen")


async def test_a_room_says_why_it_waits_and_the_calls_that_hold_its_limit(house: House) -> None:
    async with house.visitor("bob") as bob:
        status, page = await bob.get("/now/rooms/RM_two")
    assert status == 200
    assert "Its tenant has as many calls as it may" in page
    assert "call-acme-one" in page
    assert "No worker takes calls from it." in page


async def test_an_operator_ends_a_call_that_waits(house: House) -> None:
    await open_room(house.rooms, "RM_end", "bolt")
    async with house.visitor("otto") as otto:
        assert "End call-bolt-end?" in (await otto.get("/now/rooms/RM_end/end"))[1]
        status, page = await otto.post("/now/rooms/RM_end/end")
        assert status == 200, page
        room = await house.rooms.get("RM_end")
        assert room is not None
        assert not room.state.is_open

        async def audited() -> bool:
            return "ended the call" in (await otto.get("/audit", params={"subject": "RM_end"}))[1]

        await until(audited)
        assert (await otto.post("/now/rooms/RM_end/end"))[0] == 409


async def test_a_worker_that_does_not_answer_is_not_drained(house: House) -> None:
    async with house.visitor("otto") as otto:
        assert (await otto.get("/now/workers/premium@gone/drain"))[0] == 404
        status, page = await otto.post("/now/workers/premium@gone/drain")
    assert status == 409
    assert "No worker premium@gone answers." in page


async def test_a_dead_letter_whose_room_is_over_is_not_replayed(house: House) -> None:
    async with house.visitor("otto") as otto:
        _, page = await otto.get("/dead-letters")
        assert "there is no tenant &#39;nobody&#39;" in page
        letter = page.partition('href="/dead-letters/')[2].partition("/replay")[0]
        assert (await otto.get(f"/dead-letters/{letter}/replay"))[0] == 200
        # The LiveKit server is away.
        status, page = await otto.post(f"/dead-letters/{letter}/replay")
    assert status == 409, page


async def test_while_redis_is_away_the_page_says_so_and_then_goes_on(house: House) -> None:
    async with house.visitor("bob") as bob:
        stream, _ = await following(bob)
        house.redis.pause()
        try:
            change = await next_change(stream)
            assert "Redis cannot be reached" in change["parts"]["problem"]
            assert change["gone"] == []
        finally:
            house.redis.resume()
        assert (await next_change(stream))["parts"]["problem"] == ""
        stream.close()


async def test_500_open_rooms_take_less_than_a_tenth_of_a_core(house: House) -> None:
    sids = [f"RM_many{number}" for number in range(500)]
    await fill(house.rooms, sids)
    process = psutil.Process(house.console.pid)
    async with house.visitor("bob") as bob:

        async def all_shown() -> bool:
            return 'id="room-RM_many499"' in (await bob.get("/"))[1]

        await until(all_shown, every=0.5)
        streams = [(await following(bob))[0] for _ in range(3)]
        before = process.cpu_times()
        for second in range(int(SECONDS)):
            for sid in sids[second * 5 : second * 5 + 5]:
                await house.rooms.renew(sid, 1, claimant="c", steps={"first_audio": 100})
            for stream in streams:
                assert len((await next_change(stream))["rows"]) <= 25
        used = sum(process.cpu_times()[:2]) - sum(before[:2])
        for stream in streams:
            stream.close()
    assert used / SECONDS < MOST_CPU
    for sid in sids:
        await house.rooms.end(sid, 1, outcome="room empty")


async def fill(rooms: RoomStore, sids: list[str]) -> None:
    for sid in sids:
        await open_room(rooms, sid, "bolt")
        room = await rooms.claim(sid, 1, claimant="c", worker="standard@one", pid=1)
        assert getattr(room, "state", None) is State.RUNNING


async def test_a_call_has_its_page_from_its_first_moment_to_its_record(house: House) -> None:
    await open_room(house.rooms, "RM_brief", "bolt")
    async with house.visitor("otto") as otto:
        status, page = await otto.get("/calls/RM_brief")
        assert (status, "The call is not over" in page) == (200, True)
        assert (await otto.post("/now/rooms/RM_brief/end"))[0] == 200
        status, page = await otto.get("/calls/RM_brief")
        assert (status, "The call has just ended" in page) == (200, True)
        status, _ = await otto.get("/calls/RM_brief", params={"opened": 1})
        assert status == 404
