"""The dashboard of a tier, which says whether its callers get what it promises."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana import queries, variables
from ops.grafana.layout import Row, dashboard
from ops.grafana.panels import BAD, GOOD, WARNING, graph, number

TIER = 'tier=~"$tier"'


def tier() -> models.Dashboard:
    """Return the dashboard."""
    return dashboard(
        "tier",
        "Waits, calls and times of one tier or several.",
        _now(),
        _waits(),
        _times(),
        choices=[variables.choice("tier", "switchboard_rooms")],
    )


def _now() -> Row:
    ended = "tier_outcome:switchboard_calls_ended:increase10m"
    return Row(
        "Now",
        [
            number("Calls", "Calls that an agent answers.", queries.rooms("running", TIER)),
            number("In the queue", "Calls that wait for a worker.", queries.rooms("queued", TIER), limits={1: WARNING}),
            number(
                "Waiting for a permit",
                "Calls that a limit of their tenant or their tier keeps back.",
                queries.rooms("waiting", TIER),
                limits={1: WARNING},
            ),
            number(
                "Oldest wait, of the promise",
                "The longest wait as a share of what the tier promises. Over 100 % an alert fires.",
                f"max(max by (tier) (switchboard_oldest_wait_seconds{{{TIER}}})"
                f" / on (tier) max by (tier) (switchboard_tier_promise_seconds{{{TIER}}}))",
                unit=units.PercentUnit,
                limits={0.5: WARNING, 1: BAD},
            ),
            number(
                "Not answered",
                "The share of the calls of the last ten minutes that ended without an agent.",
                f'sum({ended}{{{TIER}, outcome!="answered"}}) / (sum({ended}{{{TIER}}}) > 0)'
                f" or 0 * sum({ended}{{{TIER}}})",
                unit=units.PercentUnit,
                limits={0.01: WARNING, 0.05: BAD},
            ),
            number(
                "Workers",
                "Workers that take the calls of the tier; of several, the one with the fewest.",
                'min(max by (queue) (switchboard_queue_workers{queue=~"$tier"}))',
                below=BAD,
                limits={1: GOOD},
            ),
        ],
    )


def _waits() -> Row:
    return Row(
        "Waits and calls",
        [
            graph(
                "Oldest wait and promise",
                "The longest wait at each moment. A line at its promise is an alert.",
                {
                    "{{tier}}": f"max by (tier) (switchboard_oldest_wait_seconds{{{TIER}}})",
                    "{{tier}} promise": f"max by (tier) (switchboard_tier_promise_seconds{{{TIER}}})",
                },
                unit=units.Seconds,
            ),
            graph(
                "From the queue to a worker",
                "Time from a call's entry into its queue until a child has claimed it.",
                queries.quantiles("switchboard_call_claim_seconds"),
                unit=units.Seconds,
            ),
            graph(
                "Calls that begin, a minute",
                "Calls started.",
                {"{{tier}}": queries.a_minute("switchboard_calls_started_total", "tier", where=TIER)},
            ),
            graph(
                "Calls that end, a minute",
                "Calls by their outcome. Abandoned: the caller left before an agent came. Dead: nobody could answer. "
                "Refused: the tenant had as many waiting calls as it may have.",
                {"{{outcome}}": queries.a_minute("switchboard_calls_ended_total", "outcome", where=TIER)},
                stacked=True,
            ),
        ],
    )


def _times() -> Row:
    return Row(
        "What callers hear",
        [
            graph(
                "First word",
                "Time from the start of the room until the agent's first sound.",
                queries.quantiles("switchboard_call_first_audio_seconds"),
                unit=units.Seconds,
            ),
            graph(
                "Replies",
                "Time from the end of a caller's turn until the agent's first sound.",
                queries.quantiles("switchboard_call_reply_seconds"),
                unit=units.Seconds,
            ),
            graph(
                "Length of calls",
                "Time from the start of a call until its end.",
                queries.quantiles("switchboard_call_seconds"),
                unit=units.Seconds,
            ),
            graph(
                "Interruptions a call",
                "How often callers interrupt the agent. Many mean that it talks too long, or hears itself.",
                {
                    "{{tier}}": f"{queries.rate('switchboard_call_interruptions_sum', 'tier', where=TIER)}"
                    f" / {queries.rate('switchboard_call_interruptions_count', 'tier', where=TIER)}",
                },
            ),
        ],
    )
