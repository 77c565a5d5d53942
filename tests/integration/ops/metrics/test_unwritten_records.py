"""Records that no writer has ever read: they wait for one where a receiver names a database."""

from __future__ import annotations

import pytest

from ops.stack.exporter import Exporter
from tasks.reconcile.settings_publisher import SettingsPublisher
from tasks.rooms import RoomStore, keys
from tasks.settings import Settings
from tests.integration.ops.metrics.scrape import labels, scrape

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVEKIT = {"LIVEKIT_URL": "ws://127.0.0.1:7880", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "s" * 32}
NAMED = {"SWITCHBOARD_DATABASE_URL": "postgresql://user:secret@host/database"}
OF_RECORDS = ("records_unwritten_seconds", "records_kept_seconds", "records_in_stream", "records_lost_total")


async def test_they_wait_only_while_the_leading_receiver_names_a_database(exporter: Exporter, rooms: RoomStore) -> None:
    assert await rooms.dead_letter("RM_1", attempt=None, name="lobby", reason="no such tenant")
    for environment, shown in ((LIVEKIT, False), (LIVEKIT | NAMED, True), (LIVEKIT, False)):
        await SettingsPublisher(rooms, Settings.read(environment)).publish()
        scraped = await scrape(exporter.url)
        assert [bool(scraped.only(name)) for name in OF_RECORDS] == [shown] * len(OF_RECORDS)
        if shown:
            waits = scraped.only("records_unwritten_seconds")
            assert waits == scraped.only("records_kept_seconds")
            assert 0 < waits[labels()] < 60
            assert scraped.only("records_in_stream") == {labels(): 1}


async def test_redis_learns_nothing_of_the_database_but_that_there_is_one(rooms: RoomStore) -> None:
    await SettingsPublisher(rooms, Settings.read(LIVEKIT | NAMED)).publish()
    published = await rooms.redis.hgetall(keys.INSTALLATION)
    assert published[keys.DATABASE_NAMED] == "1"
    assert not [value for value in published.values() if "secret" in value or "postgresql" in value]


async def test_without_a_stream_nothing_waits_where_a_database_is_named(exporter: Exporter, rooms: RoomStore) -> None:
    await rooms.redis.delete(keys.CALLS)
    await SettingsPublisher(rooms, Settings.read(LIVEKIT | NAMED)).publish()
    assert (await scrape(exporter.url)).only("records_unwritten_seconds") == {labels(): 0}
