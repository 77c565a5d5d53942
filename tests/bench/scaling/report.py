"""The document: the results in tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.scaling import forecast
from tests.bench.scaling.cost import Cost
from tests.bench.scaling.results import Results
from tests.bench.stats import percentile

HEAD = """\
# Scaling

Written by `make scaling`. Every sample is in [scaling.json](scaling.json). The conclusions for operators are in
[Growing](../howto/growing.md). The head of each section has the method. A call is {length:.0f} s long, with a sentence
every {sentence:.0f} s. `rooms` is the number of other open rooms in Redis: half of them are running, half are queued,
and each tenant has four. Redis writes its append-only file (`appendfsync everysec`).
"""
MB = 1e6
KB = 1e3


def markdown(results: Results) -> str:
    """Return the whole document."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    profile = results.profile
    lines = [
        HEAD.format(length=profile.length, sentence=profile.sentence_interval),
        f"- {machine.when}",
        f"- {machine.hardware}",
    ]
    lines += [f"- {machine.system}", f"- {versions}", ""]
    for section in (_capacities, _ramp, _call, _waitlist, _memory, _sweeps, _receivers, _idle, _ps):
        lines += section(results)
    return "\n".join(lines).rstrip() + "\n"


def _capacities(results: Results) -> list[str]:
    capacities = forecast.capacities(results)
    if not capacities:
        return []
    rows = [
        [
            capacity.part,
            "" if capacity.rate is None else f"{capacity.rate:.0f}",
            "" if capacity.rate is None else f"{capacity.rate * results.profile.length:,.0f}",
            capacity.reason,
        ]
        for capacity in capacities
    ]
    head = "Without worker hosts: their cost of a call is measured by `make bench` (`cost`, `density`)."
    return _section("The part that is full first", head, ["part", "calls a second", "simultaneous calls", ""], rows)


def _ramp(results: Results) -> list[str]:
    ramp = results.ramp
    if ramp is None:
        return []
    head = (
        f"{ramp.rooms:,} other rooms are open. The commands of a call of {results.profile.length:.0f} s were recorded, "
        f"and are replayed within {ramp.plan.replay_seconds:g} s, on one connection for each call. Redis so gets as "
        "many requests a second as from calls of the real length. Redis has one core, also to rewrite its file, and "
        "the load generator another. No reconciler runs. Latencies are measured by the load generator. The limit "
        f"is a p99 of {ramp.plan.limit_ms:g} ms, a full core, or calls that pile up. A rate at a limit was measured "
        "twice."
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
            level.limit(ramp.plan.limit_ms),
        ]
        for level in ramp.levels
    ]
    columns = ["calls a second", "ended", "requests", "CPU of Redis", "for a call, ms", "CPU of the load generator"]
    columns += ["open, p50, p99, ms", "claim, p50, p99, ms", "errors", "limit"]
    return _section("Calls at a rising rate", head, columns, rows)


def _call(results: Results) -> list[str]:
    if not results.call:
        return []
    rows = []
    for rooms, costs in results.call.items():
        rows += [[f"{rooms:,}", *row] for row in _rows(costs)]
        whole = [forecast.per_call(costs, name) for name in ("commands", "requests", "cpu_us", "received", "sent")]
        rows.append([f"{rooms:,}", "**a whole call**", "", "", *(f"**{number:,.0f}**" for number in whole), ""])
    head = (
        "Through the code of production, one call after another. Commands include those of scripts. A request is one "
        "round trip. CPU is all of Redis' for it, with its scripts and its network. One at a time, each request wakes "
        "Redis, which costs more than many at once: for those the table above has the cost of a call."
    )
    return _section("One call", head, ["rooms", "step", *_COLUMNS], rows)


def _waitlist(results: Results) -> list[str]:
    rows = [[f"{rooms:,}", *_row(cost)] for rooms, costs in results.waitlist.items() for cost in costs]
    head = "All rooms are of one tenant, and all but one of them wait."
    return _section("The same with a long waitlist", head, ["rooms", "step", *_COLUMNS], rows)


def _memory(results: Results) -> list[str]:
    if not results.call:
        return []
    rows = [
        [
            f"{rooms:,}",
            *(
                f"{number:,.0f}"
                for number in (
                    sizes.queued,
                    sizes.running,
                    footprint.ended_room,
                    footprint.call_record,
                    footprint.conversation,
                )
            ),
        ]
        for rooms, sizes in results.room_sizes.items()
        for footprint in [results.footprints[rooms]]
    ]
    columns = ["rooms", "a queued room", "a running room", "a room that is over (for an hour)", "a call record"]
    lines = _section(
        "Memory",
        "Bytes in Redis, with the room's share of the indexes.",
        [*columns, "a conversation, halfway through a call"],
        rows,
    )
    rates = [
        [f"{rate:.0f}", f"{rate * results.profile.length:,.0f}", f"{forecast.memory_bytes(results, rate) / MB:,.0f}"]
        for rate in forecast.RATES
    ]
    return lines + _table(["calls a second, answered at once", "simultaneous calls", "MB in Redis"], rates)


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
                "**a tick, nothing to repair**",
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
        "All rooms are of one tenant, half of them in one queue. Each sweep has its time and its longest block: the "
        "longest time for which the receiver's event loop did nothing else. A tick comes every second; one of 3 to 4 "
        "ticks has a sync with the LiveKit server."
    )
    columns = ["rooms", "sweep", "ms", "longest block, ms", *_COLUMNS[2:]]
    return _section("The reconciler", head, columns, rows)


def _receivers(results: Results) -> list[str]:
    if not results.receivers:
        return []
    rows = []
    for rooms, received in results.receivers.items():
        for webhook in received.webhooks:
            action, ms, per_call, *rest = _row(webhook.cost)
            rows.append([f"{rooms:,}", action, ms, per_call, f"{webhook.own_cpu_ms:.2f}", *rest])
        p50, p99 = (percentile(received.load_ms, percent) or 0.0 for percent in (50, 99))
        load = f"**under {received.rate:g} room_started a second**"
        rows.append([f"{rooms:,}", load, f"**{p50:.1f}, {p99:.1f}**", *[""] * 8])
        rows.append([f"{rooms:,}", "**a whole call**", "", "", f"**{received.cpu_ms:.1f}**", *[""] * 6])
    head = "A real receiver, which is the reconciler too, and webhooks signed as by LiveKit."
    columns = ["rooms", "webhook", _COLUMNS[0], _COLUMNS[1], "CPU of the receiver, ms", *_COLUMNS[2:]]
    return _section("Receivers", head, columns, rows)


def _idle(results: Results) -> list[str]:
    rows = [
        [
            cost.name,
            *(f"{number:,.1f}" for number in (cost.commands, cost.requests)),
            *(f"{number:,.0f}" for number in (cost.cpu_us, cost.received, cost.sent)),
            f"{cost.own_cpu_ms:.1f}",
            f"{cost.connections:.0f}",
        ]
        for cost in results.idle
    ]
    columns = [
        "a second of",
        "commands",
        "requests",
        "CPU of Redis, µs",
        "bytes in",
        "bytes out",
        "own CPU, ms",
        "connections",
    ]
    head = "The first row is Redis by itself, and part of the others. Waiting in `BRPOP` uses no CPU of Redis."
    return _section("Idle", head, columns, rows)


def _ps(results: Results) -> list[str]:
    rows = [[f"{rooms:,}", *_row(cost)] for rooms, costs in results.ps.items() for cost in costs]
    return _section("`switchboard ps`", "Up to the text that is printed.", ["rooms", "command", *_COLUMNS], rows)


_COLUMNS = [
    "p50, p99, ms",
    "per call",
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
        f"{cost.per_call:g}",
        f"{cost.commands:,.0f}",
        f"{cost.requests:,.1f}",
        *(f"{number:,.0f}" for number in (cost.cpu_us, cost.received, cost.sent, cost.script_us)),
    ]


def _section(title: str, head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"## {title}", "", head, "", *_table(columns, rows)] if rows else []


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]
