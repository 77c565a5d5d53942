"""The dashboard of all workers, which says whether there is room for more calls."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana import queries
from ops.grafana.layout import Row, dashboard
from ops.grafana.panels import BAD, WARNING, graph, number, timeline


def fleet() -> models.Dashboard:
    """Return the dashboard."""
    return dashboard("fleet", "Workers, slots and load, and the calls of all tiers.", _now(), _calls(), _workers())


def _now() -> Row:
    return Row(
        "Now",
        [
            number("Calls", "Calls that an agent answers.", queries.rooms("running")),
            number(
                "Waiting",
                "Callers without an agent: in a queue, or waiting for a permit.",
                queries.rooms("waiting|queued"),
                limits={1: WARNING},
            ),
            number(
                "Oldest wait",
                "Time that the caller who waits longest has waited.",
                "max(switchboard_oldest_wait_seconds)",
                unit=units.Seconds,
                limits={5: WARNING, 30: BAD},
            ),
            number("Workers", "Workers with a heartbeat.", "count(max by (worker) (switchboard_worker_slot_limit))"),
            number(
                "Idle slots",
                "Spares that can take a call at once. With none, the next caller waits for a process to start.",
                "sum(max by (worker) (switchboard_worker_idle_slots))",
            ),
            number(
                "Alerts",
                "Alerts that fire now. docs/alerts.md has a section for each.",
                'count(ALERTS{alertstate="firing", alertname=~"Switchboard.+"}) or 0 * max(switchboard_redis_up)',
                limits={1: BAD},
            ),
        ],
    )


def _calls() -> Row:
    return Row(
        "Calls",
        [
            graph(
                "Rooms by state",
                "All open rooms: answered, in a queue, or waiting for a permit.",
                {"{{state}}": "sum by (state) (max by (tier, state) (switchboard_rooms))"},
                stacked=True,
            ),
            graph(
                "Calls answered, by tier",
                "Rooms with an agent.",
                {"{{tier}}": 'max by (tier) (switchboard_rooms{state="running"})'},
                stacked=True,
            ),
            graph(
                "Messages in queues",
                "Calls that no worker has taken. In a healthy installation this is 0 nearly always.",
                {"{{queue}}": "max by (queue) (switchboard_queue_messages)"},
            ),
            graph(
                "Workers of each queue",
                "Workers that take the calls of a queue. At 0 its calls wait.",
                {"{{queue}}": "max by (queue) (switchboard_queue_workers)"},
            ),
        ],
    )


def _workers() -> Row:
    return Row(
        "Workers",
        [
            graph(
                "Slots",
                "Calls and spares of all workers, and the calls that they can have with the memory that is free.",
                {
                    "busy": "sum(max by (worker) (switchboard_worker_busy_slots))",
                    "idle": "sum(max by (worker) (switchboard_worker_idle_slots))",
                    "limit": "sum(max by (worker) (switchboard_worker_slot_limit))",
                },
            ),
            graph(
                "Load and reservations",
                "The busy share of a worker's cores, with what calls that have just started will add. Over the "
                "threshold (0.7 by default) it takes no call.",
                {
                    "{{worker}}": "max by (worker) (switchboard_worker_load_ratio)"
                    " + on (worker) max by (worker) (switchboard_worker_reserved_ratio)",
                },
                unit=units.PercentUnit,
            ),
            graph(
                "Calls on each worker",
                "Busy children of each worker.",
                {"{{worker}}": "max by (worker) (switchboard_worker_busy_slots)"},
            ),
            graph(
                "Idle slots of each queue",
                "Children that can take a call of the queue at once.",
                {"{{queue}}": "max by (queue) (switchboard_queue_idle_slots)"},
            ),
            timeline(
                "Intake gates",
                "Green: the worker takes calls. Orange: it does not, because it is full or drains. Red: calls "
                "fail on it, or children cannot be prewarmed.",
                {
                    "{{worker}}": '2 * max by (worker) (switchboard_worker_intake{state=~"calls fail|children.*"}) > 0'
                    ' or 1 - max by (worker) (switchboard_worker_intake{state="open"})',
                },
                limits={1: WARNING, 2: BAD},
            ),
        ],
    )
