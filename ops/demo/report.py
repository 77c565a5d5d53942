"""The report at the end of the demo: the times of each step, and the transcripts of both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.demo.result import CallResult

LABELS = {
    "room_started": "room started",
    "caller_connected": "caller is in the room",
    "received": "webhook received",
    "queued": "call queued",
    "claimed": "call claimed by a child",
    "connecting": "agent begins to connect",
    "joined": "agent is in the room",
    "published": "agent's track published",
    "agent_joined": "caller sees the agent",
    "agent_subscribed": "caller gets the track",
    "first_audio": "agent begins to speak",
    "first_frame": "caller gets a first frame",
    "first_sound": "caller hears a first sound",
}
MAX_COLUMNS = 4


def report(results: Sequence[CallResult]) -> RenderableType:
    """Return the whole report, to print."""
    parts: list[RenderableType] = [steps_table(results)]
    for result in results:
        parts += [Text(), transcript(result)]
    return Group(*parts)


def steps_table(results: Sequence[CallResult]) -> Table:
    """Return a table with a row for each step and a column for each call; for many calls, their range."""
    table = Table(title="ms since room_started", title_justify="left", header_style="bold")
    table.add_column("step", no_wrap=True)
    for heading in (
        ("fastest", "median", "slowest") if len(results) > MAX_COLUMNS else (f"{r.tenant}\n{r.tier}" for r in results)
    ):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for step in in_order(results):
        times = [result.ms.get(step) for result in results]
        if len(results) > MAX_COLUMNS:
            known = sorted(ms for ms in times if ms is not None)
            times = [known[0], round(median(known)), known[-1]]
        row = ("" if ms is None else str(ms) for ms in times)
        table.add_row(LABELS[step], *row, style="bold" if step == "first_sound" else "")
    return table


def in_order(results: Iterable[CallResult]) -> list[str]:
    """Return the steps that any call reached, ordered by their mean time."""
    times: dict[str, list[int]] = {}
    for result in results:
        for step, ms in result.ms.items():
            if step in LABELS:
                times.setdefault(step, []).append(ms)
    return sorted(times, key=lambda step: sum(times[step]) / len(times[step]))


def transcript(result: CallResult) -> Table:
    """Return a table with both sides of a call, as spoken and as the other side recognised it."""
    title = f"{result.room}: tenant {result.tenant}, queue {result.queue}, answered by {result.worker or 'no worker'}"
    table = Table(title=Text(title), title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for heading, lines in (
        ("the caller said", result.caller_said),
        ("the agent understood", result.agent_heard),
        ("the agent said", result.agent_said),
        ("the caller understood", result.caller_heard),
    ):
        table.add_row(heading, Text("\n".join(lines) or "nothing"))
    if result.problem:
        table.add_row(Text("problem", style="red"), Text(result.problem, style="red"))
    return table
