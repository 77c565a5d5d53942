"""The dashboard of what goes wrong, and of the parts that everything needs."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana import queries
from ops.grafana.layout import Row, dashboard
from ops.grafana.panels import BAD, GOOD, WARNING, graph, number


def reliability() -> models.Dashboard:
    """Return the dashboard."""
    return dashboard(
        "reliability",
        "Lost calls, dead letters, and the parts that everything needs.",
        _parts(),
        _calls(),
        _reconciler(),
        _receivers(),
        _after_calls(),
    )


def _parts() -> Row:
    return Row(
        "Parts",
        [
            *(
                number(title, description, f"max({metric})", below=BAD, limits={1: GOOD})
                for title, description, metric in (
                    ("Redis", "1: Redis answers the exporter.", "switchboard_redis_up"),
                    ("LiveKit", "1: the leading receiver reaches the LiveKit server.", "switchboard_livekit_up"),
                    ("Reconciler", "1: a receiver leads the reconcilers.", "switchboard_reconciler_up"),
                )
            ),
            number(
                "Since the last tick",
                "Time since the leading reconciler has swept. It ticks each second.",
                "time() - max(switchboard_reconciler_last_tick_timestamp_seconds)",
                unit=units.Seconds,
                # A value may be as old as the scrape interval.
                limits={20: WARNING, 30: BAD},
            ),
            number(
                "Dead letters, 15 minutes",
                "Callers who were not answered and will not be.",
                "sum(tier_kind:switchboard_dead_letters:increase15m) or 0 * max(switchboard_redis_up)",
                limits={1: WARNING, 3: BAD},
            ),
            number(
                "Workers on which calls fail",
                "Workers whose circuit breaker lets in a trial call alone.",
                'sum(max by (worker) (switchboard_worker_intake{state="calls fail"}))',
                limits={1: BAD},
            ),
        ],
    )


def _calls() -> Row:
    return Row(
        "Calls",
        [
            graph(
                "Attempts by their ending, in three minutes",
                "Lost: the agent is gone and another one goes on. Handed over: between two turns, by a drain. "
                "Dead: no attempt was left.",
                {"{{ending}}": "sum by (ending) (tier_ending:switchboard_attempts_ended:increase3m)"},
                stacked=True,
            ),
            graph(
                "Calls saved, a minute",
                "Calls that went on with another agent after they had lost theirs.",
                {"{{tier}}": queries.a_minute("switchboard_calls_recovered_total", "tier")},
            ),
            graph(
                "Time without an agent",
                "From the loss of an agent until the next one has the call: what the caller hears as a pause.",
                queries.quantiles("switchboard_call_gap_seconds", where=""),
                unit=units.Seconds,
            ),
            graph(
                "Dead letters, in 15 minutes",
                "By kind. `switchboard dead list` has the reasons.",
                {"{{tier}} {{kind}}": "tier_kind:switchboard_dead_letters:increase15m"},
            ),
            graph(
                "Late renewals, in ten minutes",
                "Leases that a worker's children renewed late: the host, its network or Redis was slow.",
                {"{{worker}}": "worker:switchboard_worker_late_renewals:increase10m"},
            ),
        ],
    )


def _reconciler() -> Row:
    return Row(
        "Reconciler",
        [
            graph(
                "Repairs a minute",
                "What each sweep has made good: lost webhooks, messages and calls, permits that stayed behind.",
                {"{{sweep}}": queries.a_minute("switchboard_reconciler_repairs_total", "sweep")},
            ),
            graph(
                "Leaders",
                "Receivers that say that they lead. There should be one.",
                {"{{instance}}": "max by (instance) (switchboard_reconciler_is_leader)"},
                stacked=True,
            ),
        ],
    )


def _receivers() -> Row:
    return Row(
        "Receivers",
        [
            graph(
                "Webhooks a second",
                "Events of the LiveKit server, by what came of them.",
                {"{{event}} {{outcome}}": queries.rate("switchboard_webhook_events_total", "event", "outcome")},
            ),
            graph(
                "Age of events",
                "From the event at the LiveKit server until its webhook arrives. It grows when webhooks queue there, "
                "and is wrong when the clocks are.",
                queries.quantiles("switchboard_webhook_event_age_seconds", by="", where=""),
                unit=units.Seconds,
            ),
            graph(
                "Time for a webhook",
                "From a webhook's headers until its answer, and the part of it that Redis takes.",
                {
                    f"{name} {label}": query
                    for name, metric in (
                        ("all", "switchboard_webhook_seconds"),
                        ("Redis", "switchboard_webhook_redis_seconds"),
                    )
                    for label, query in queries.quantiles(metric, by="", where="").items()
                },
                unit=units.Seconds,
            ),
            graph(
                "Rejected webhooks, a minute",
                "Requests with a wrong signature, or none.",
                {"{{reason}}": queries.a_minute("switchboard_webhook_rejections_total", "reason")},
            ),
        ],
    )


def _after_calls() -> Row:
    return Row(
        "After the call",
        [
            graph(
                "Age of records",
                "Not written: the oldest record that is not in the database. It is lost when it is as old as what the "
                "stream keeps, and the stream is full.",
                {
                    "not written": "max(switchboard_records_unwritten_seconds)",
                    "kept in Redis": "max(switchboard_records_kept_seconds)",
                },
                unit=units.Seconds,
            ),
            graph(
                "Notices, a minute",
                "Tries to tell tenants' backends of their calls. `switchboard notices backends` says which fail.",
                {"{{result}}": queries.a_minute("switchboard_notice_tries_total", "result")},
                stacked=True,
            ),
            graph(
                "Events without a notice",
                "The oldest event of a call of which no notice was made yet: it grows where no background worker runs.",
                {"oldest event": "max(switchboard_notice_oldest_event_seconds)"},
                unit=units.Seconds,
            ),
            graph(
                "Uploads of recordings, a minute",
                "Audio and transcripts that the console has taken, or not. Unwanted: the tenant does not record.",
                {"{{outcome}}": queries.a_minute("switchboard_uploads_total", "outcome", where='kind="recordings"')},
                stacked=True,
            ),
            number(
                "Disabled backends",
                "Tenants whose backends get no notices any more.",
                "max(switchboard_notice_backends_disabled)",
                limits={1: WARNING},
            ),
            number(
                "Calls to be erased",
                "Backends have asked for it, and a console does it within seconds.",
                "max(switchboard_erasures_waiting)",
                limits={1: WARNING},
            ),
            number(
                "Records lost or not understood",
                "Since the installation has begun. The writer's log has their ids.",
                "max(switchboard_records_lost_total) + max(switchboard_records_rejected_total)",
                limits={1: BAD},
            ),
        ],
    )
