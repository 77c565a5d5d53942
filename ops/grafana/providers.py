"""The dashboard of providers: their failures, and how much of them is used."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from ops.grafana import queries, variables
from ops.grafana.layout import Row, dashboard
from ops.grafana.panels import BAD, WARNING, graph, number
from ops.grafana.usage import usage_panels

PROVIDER = 'provider=~"$provider"'


def providers() -> models.Dashboard:
    """Return the dashboard."""
    return dashboard(
        "providers",
        "Errors, fallbacks and usage of providers.",
        _errors(),
        _usage(),
        choices=[
            variables.choice(
                "provider", '{__name__=~"switchboard_(provider_errors|usage_tokens|usage_characters)_total"}'
            )
        ],
    )


def _errors() -> Row:
    return Row(
        "Errors",
        [
            number(
                "Errors in five minutes",
                "Errors of all providers that calls have reported.",
                f"sum(kind_provider:switchboard_provider_errors:increase5m{{{PROVIDER}}})"
                " or 0 * max(switchboard_redis_up)",
                limits={1: WARNING, 10: BAD},
            ),
            graph(
                "Errors, in five minutes",
                "Errors of each provider that calls have reported. Callers hear a pause.",
                {"{{kind}} {{provider}}": f"kind_provider:switchboard_provider_errors:increase5m{{{PROVIDER}}}"},
            ),
            graph(
                "Errors by reason, a minute",
                "What the providers answered: a refused key is the tenant's, a timeout the provider's.",
                {
                    "{{provider}} {{error}}": queries.a_minute(
                        "switchboard_provider_errors_total", "provider", "error", where=PROVIDER
                    )
                },
            ),
            graph(
                "Fallbacks, a minute",
                "How often another provider went on in the stead of one that failed.",
                {
                    "{{kind}} {{provider}}": queries.a_minute(
                        "switchboard_provider_fallbacks_total", "kind", "provider", where=PROVIDER
                    )
                },
            ),
        ],
    )


def _usage() -> Row:
    return Row(
        "Usage",
        [
            *usage_panels("provider", characters_by="model", where=PROVIDER),
        ],
    )
