"""Children that go on with a call that is no longer theirs, and one that only uploads what it has recorded."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ops.stack.redis import RedisServer
from tasks.call.scoreboard import Scoreboard
from tasks.redis_client import Outage, connect_blocking
from tasks.rooms import RoomStore
from tasks.settings import RedisSettings
from tasks.worker.pool.call_killer import CallKiller, RunningCall
from tasks.worker.supervision import stale_children
from tasks.worker.supervision.stale_children import StaleChildren
from tests.integration.tasks.call.test_lease import claimed

CALL = RunningCall(pid=1, index=0, sid="RM_1", attempt=1, seconds=60.0)


class Killer(CallKiller):
    """Keeps the calls whose children it would have killed."""

    def __init__(self) -> None:
        super().__init__()
        self.killed: list[RunningCall] = []

    def kill(self, call: RunningCall, reason: str) -> None:
        self.killed.append(call)


@pytest.mark.parametrize("uploading", [False, True])
async def test_a_child_whose_room_is_over_is_killed_unless_it_uploads(
    rooms: RoomStore, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, uploading: bool
) -> None:
    room = await claimed(rooms)
    settings = RedisSettings.read({"REDIS_URL": redis_server.url})
    scoreboard, killer = Scoreboard(tmp_path / "scoreboard"), Killer()
    monkeypatch.setattr(stale_children, "GRACE_SECONDS", 0.0)
    with connect_blocking(settings) as redis:
        outage = Outage(settings.server, logging.getLogger("test"))
        stale = StaleChildren(redis, outage, killer, scoreboard, worker=room.worker, upload_seconds=60.0)
        assert await rooms.end("RM_1", 1, outcome="room empty", claimant=room.claimant)
        if uploading:
            scoreboard.row(0).note_upload()
        stale.check([CALL])
        stale.check([CALL])
    assert bool(killer.killed) is not uploading
    scoreboard.row(0).clear()
    assert not scoreboard.row(0).uploading
