"""The document: what was measured, in tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.scaling import forecast
from tests.bench.scaling.cost import Cost
from tests.bench.scaling.results import Results
from tests.bench.stats import percentile

HEAD = """\
# How costs grow

Written by `python -m tests.bench.scaling`, with every sample in [growth.json](growth.json). What it means for operators
is in [Growing](../howto/growing.md), how it was measured at the head of each section. A call is {length:.0f} s long,
something is said in it every {said:.0f} s, and it comes to a Redis in which so many rooms are open already: half of
them have a call, half are in a queue, and a tenant has four of them.
"""
MB = 1e6
KB = 1e3


def markdown(results: Results) -> str:
    """The whole document."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    talk = results.talk
    lines = [HEAD.format(length=talk.length, said=talk.said_every), f"- {machine.when}", f"- {machine.hardware}"]
    lines += [f"- {machine.system}", f"- {versions}", ""]
    for section in (_first, _surge, _call, _line, _memory, _sweeps, _receivers, _standing, _looks):
        lines += section(results)
    return "\n".join(lines).rstrip() + "\n"


def _first(results: Results) -> list[str]:
    found = forecast.capacities(results)
    if not found:
        return []
    rows = [
        [
            capacity.part,
            "" if capacity.rate is None else f"{capacity.rate:.0f}",
            "" if capacity.rate is None else f"{capacity.rate * results.talk.length:,.0f}",
            capacity.reason,
        ]
        for capacity in found
    ]
    head = "Worker hosts are not in it: what a call costs them is what `make bench` measures (`cost`, `density`)."
    return _section("What is full first", head, ["one of", "calls a second", "calls at once", ""], rows)


def _surge(results: Results) -> list[str]:
    surge = results.surge
    if surge is None:
        return []
    head = (
        f"{surge.rooms:,} rooms are open besides. All that a call says to Redis in {results.talk.length:.0f} s was "
        f"recorded, and is said again in {surge.plan.played_seconds:g} s, on a connection of its own: for Redis, as "
        "many requests a second as with calls of the real length. Redis has one core, and whoever makes the calls "
        "another one; nothing is written to a disk, and nobody reconciles meanwhile. Latencies are those that the "
        "maker of the calls sees; the limit is a p99 of "
        f"{surge.plan.limit_ms:g} ms, a core that is full, or calls that pile up. A rate with a limit was tried twice."
    )
    rows = [
        [
            f"{level.rate:.0f}",
            f"{level.ended:.0f}",
            f"{level.requests:,.0f}",
            f"{level.redis_cpu:.0%}",
            f"{1000 * level.redis_cpu / level.ended:.1f}",
            f"{level.own_cpu:.0%}",
            *(
                f"{percentile(level.latencies_ms[step], 50) or 0:.1f}, {level.p99_ms(step):.1f}"
                for step in ("open", "claim")
            ),
            str(level.errors),
            level.limit(surge.plan.limit_ms),
        ]
        for level in surge.levels
    ]
    columns = ["calls a second", "ended", "requests", "CPU of Redis", "for a call, ms", "CPU of the maker"]
    columns += ["open, p50, p99, ms", "claim, p50, p99, ms", "errors", "limit"]
    return _section("Calls at a rising rate", head, columns, rows)


def _call(results: Results) -> list[str]:
    if not results.call:
        return []
    rows = []
    for rooms, costs in results.call.items():
        rows += [[f"{rooms:,}", *row] for row in _rows(costs)]
        whole = [forecast.per_call(costs, name) for name in ("commands", "requests", "cpu_us", "received", "sent")]
        rows.append([f"{rooms:,}", "**a whole call**", "", *(f"**{number:,.0f}**" for number in whole), ""])
    head = (
        "Through the code that does it in production, one call after another. Commands count those inside scripts; a "
        "request is one round trip; CPU is all that Redis uses for it, its scripts and its network. One at a time, "
        "each request finds Redis asleep, which is dearer than many at once: there a call costs what is above."
    )
    return _section("One call", head, ["rooms", "step", *_COLUMNS], rows)


def _line(results: Results) -> list[str]:
    rows = [[f"{rooms:,}", *_row(cost)] for rooms, costs in results.line.items() for cost in costs]
    head = "All rooms are one tenant's, and all but one wait in its line."
    return _section("The same in a long line", head, ["rooms", "step", *_COLUMNS], rows)


def _memory(results: Results) -> list[str]:
    if not results.call:
        return []
    rows = [
        [
            f"{rooms:,}",
            *(
                f"{number:,.0f}"
                for number in (filled.queued, filled.running, kept.over, kept.record, kept.conversation)
            ),
        ]
        for rooms, filled in results.filled.items()
        for kept in [results.kept[rooms]]
    ]
    columns = ["rooms", "a room in its queue", "a room with a call", "one that is over, for an hour", "a record"]
    lines = _section(
        "Memory", "Bytes in Redis, with the room's part of the indexes.", [*columns, "a conversation, half way"], rows
    )
    rates = [
        [f"{rate:.0f}", f"{rate * results.talk.length:,.0f}", f"{forecast.memory_bytes(results, rate) / MB:,.0f}"]
        for rate in forecast.RATES
    ]
    return lines + _table(["calls a second, answered at once", "calls at once", "MB in Redis, all in all"], rates)


def _sweeps(results: Results) -> list[str]:
    rows = []
    for rooms, costs in results.sweeps.items():
        for cost in costs:
            action, ms, _, *rest = _row(cost)
            rows.append([f"{rooms:,}", action, ms.partition(",")[0], f"{cost.block_ms or 0:.1f}", *rest])
        tick = forecast.tick_ms(costs)
        rows.append(
            [
                f"{rooms:,}",
                "**a tick, nothing wrong**",
                f"**{tick:.1f}**",
                "",
                "",
                "",
                f"**{forecast.tick_us(costs):,.0f}**",
                "",
                "",
                "",
            ]
        )
    head = (
        "All rooms are one tenant's, half of them in one queue. Of each sweep: how long it takes, and the longest time "
        "for which the receiver's event loop did nothing else. A tick comes every second; the LiveKit server is looked "
        "at in one of 3 to 4."
    )
    columns = ["rooms", "sweep", "ms", "longest block, ms", *_COLUMNS[2:]]
    return _section("The reconciler", head, columns, rows)


def _receivers(results: Results) -> list[str]:
    if not results.receivers:
        return []
    rows = []
    for rooms, received in results.receivers.items():
        for webhook in received.webhooks:
            action, ms, times, *rest = _row(webhook.cost)
            rows.append([f"{rooms:,}", action, ms, times, f"{webhook.own_cpu_ms:.2f}", *rest])
        p50, p99 = (percentile(received.load_ms, percent) or 0.0 for percent in (50, 99))
        load = f"**under {received.rate:g} room_started a second**"
        rows.append([f"{rooms:,}", load, f"**{p50:.1f}, {p99:.1f}**", "", "", "", "", "", "", ""])
        rows.append([f"{rooms:,}", "**a whole call**", "", "", f"**{received.cpu_ms:.1f}**", "", "", "", "", ""])
    head = "A real receiver, which is the reconciler too, and bodies as LiveKit signs them."
    columns = ["rooms", "webhook", _COLUMNS[0], _COLUMNS[1], "CPU of the receiver, ms", *_COLUMNS[2:]]
    return _section("Receivers", head, columns, rows)


def _standing(results: Results) -> list[str]:
    rows = [
        [
            each.name,
            *(f"{number:,.1f}" for number in (each.commands, each.requests)),
            *(f"{number:,.0f}" for number in (each.cpu_us, each.received, each.sent)),
            f"{each.own_cpu_ms:.1f}",
            f"{each.connections:.0f}",
        ]
        for each in results.standing
    ]
    columns = [
        "a second of",
        "commands",
        "requests",
        "CPU of Redis, µs",
        "bytes in",
        "bytes out",
        "CPU of its own, ms",
        "connections",
    ]
    head = "The first line is in all the others: what Redis uses by itself. The time in `BRPOP` is none of Redis' CPU."
    return _section("While nothing happens", head, columns, rows)


def _looks(results: Results) -> list[str]:
    rows = [[f"{rooms:,}", *_row(cost)] for rooms, costs in results.looks.items() for cost in costs]
    return _section("Looking", "`switchboard ps`, up to the text.", ["rooms", "command", *_COLUMNS], rows)


_COLUMNS = [
    "p50, p99, ms",
    "times a call",
    "commands",
    "requests",
    "CPU of Redis, µs",
    "bytes in",
    "bytes out",
    "in scripts, µs",
]


def _rows(costs: Iterable[Cost]) -> list[list[str]]:
    return [_row(cost) for cost in costs]


def _row(cost: Cost) -> list[str]:
    return [
        cost.action,
        f"{cost.p50_ms:.2f}, {cost.p99_ms:.2f}",
        f"{cost.times:g}",
        f"{cost.commands:,.0f}",
        f"{cost.requests:,.1f}",
        *(f"{number:,.0f}" for number in (cost.cpu_us, cost.received, cost.sent, cost.script_us)),
    ]


def _section(title: str, head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"## {title}", "", head, "", *_table(columns, rows)] if rows else []


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]
