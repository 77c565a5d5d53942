"""The parts of *Now* as HTML: a row for each room, the figures, the workers."""

from __future__ import annotations

from collections.abc import Mapping

from ops.console.now.live_view import LiveView, Snapshot
from ops.console.rendering import Templates
from tasks.rooms import Intake, OpenRoom, RoomOverview, RoomStore, State

STATES = {State.WAITING: "waits for a permit", State.QUEUED: "in its queue", State.RUNNING: "answered"}


def live_view(templates: Templates, rooms: RoomStore) -> LiveView:
    """Return the view that all viewers share."""
    overview = RoomOverview(rooms.redis)

    async def read() -> Snapshot:
        listed = await overview.read()
        return Snapshot({room.sid: room for room in listed}, tuple(await rooms.list_workers()))

    def row(room: OpenRoom) -> str:
        running = room.state is State.RUNNING
        state = STATES[room.state]
        if running and room.heard_ms is None:
            state = "agent on its way"
        since = room.claimed_ms if running else room.arrived_ms or room.opened_ms
        return templates.part("now/row.html", room=room, running=running, state=state, since=since)

    def parts(snapshot: Snapshot) -> Mapping[str, str]:
        return {
            "summary": templates.part("now/summary.html", **_figures(snapshot)),
            "workers": templates.part("now/workers.html", workers=snapshot.workers),
            "problem": templates.part("now/problem.html", problem=snapshot.problem),
        }

    return LiveView(read, row, parts)


def _figures(snapshot: Snapshot) -> dict[str, int]:
    workers = snapshot.workers
    return {
        "waiting": snapshot.count(State.WAITING, State.QUEUED),
        "running": snapshot.count(State.RUNNING),
        "spares": sum(worker.idle for worker in workers if worker.state == Intake.OPEN),
        "workers": len(workers),
        "open": sum(worker.state == Intake.OPEN for worker in workers),
    }
