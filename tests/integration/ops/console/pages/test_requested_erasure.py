"""The console erases what backends have asked for, while it runs."""

from __future__ import annotations

import pytest

from tasks.records import RecordStore
from tasks.rooms.erasures import ErasureRequest, ErasureRequests
from tests.integration.ops.console.pages.house import House
from tests.support import databases
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_is_erased_within_seconds_of_the_request(house: House) -> None:
    entries = [databases.attempt_entry("RM_asked"), databases.call_entry("RM_asked", number="+4930555")]
    await databases.write(house.database, entries)
    requests, records = ErasureRequests(house.rooms.redis), RecordStore(house.database)
    await requests.add(ErasureRequest("acme", "RM_asked", "k1"))

    async def is_done() -> bool:
        return not await requests.oldest(1)

    await until(is_done, seconds=30)
    erased = await records.get_call("RM_asked")
    assert erased is not None
    assert (erased.call.erased_ms is not None, erased.call.number) == (True, None)
    async with house.visitor("ann") as ann:
        assert "+4930555" not in (await ann.get("/calls", params={"room": "RM_asked"}))[1]
        page = (await ann.get("/audit", params={"subject": "RM_asked"}))[1]
    for shown in ("backend of acme", "erased the call", "by the API, key k1", "RM_asked"):
        assert shown in page
    assert "+4930555" not in page
