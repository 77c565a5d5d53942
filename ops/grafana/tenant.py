"""The dashboard of a tenant: its usage, and its test calls."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana import queries, variables
from ops.grafana.layout import Row, dashboard
from ops.grafana.panels import BAD, graph, timeline
from ops.grafana.usage import usage_panels

TENANT = 'tenant=~"$tenant"'
CALL_SECONDS = "switchboard_usage_call_seconds_total"


def tenant() -> models.Dashboard:
    """Return the dashboard."""
    return dashboard(
        "tenant",
        "Usage and test calls of one tenant or several. Usage by tenant needs SWITCHBOARD_METRICS_BY_TENANT.",
        _usage(),
        _probe(),
        choices=[variables.choice("tenant", f'{{__name__=~"{CALL_SECONDS}|switchboard_probe_success"}}')],
    )


def _usage() -> Row:
    return Row(
        "Usage",
        [
            graph(
                "Calls at a time",
                "Seconds of calls in each second: how many calls there were, on average.",
                {"{{tier}} {{tenant}}": queries.rate(CALL_SECONDS, "tier", "tenant", where=TENANT)},
            ),
            *usage_panels("tenant", characters_by="provider", where=TENANT),
        ],
    )


def _probe() -> Row:
    return Row(
        "Test calls",
        [
            timeline(
                "Test calls",
                "Green: the last test call of the probe heard what it had to hear.",
                {"{{tenant}}": f"1 - max by (tenant) (switchboard_probe_success{{{TENANT}}})"},
                limits={1: BAD},
            ),
            graph(
                "Steps of a test call",
                "Time until each step of the last test call.",
                {"{{tenant}} {{step}}": f"max by (tenant, step) (switchboard_probe_step_seconds{{{TENANT}}})"},
                unit=units.Seconds,
            ),
            graph(
                "Since the last test call",
                "Time since the probe made a call. A line that climbs is a probe that stands still.",
                {"{{tenant}}": f"time() - max by (tenant) (switchboard_probe_last_run_timestamp_seconds{{{TENANT}}})"},
                unit=units.Seconds,
            ),
        ],
    )
