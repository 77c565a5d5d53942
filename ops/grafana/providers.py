"""The dashboard of providers: their failures, and how much of them is used."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from ops.grafana import queries, variables
from ops.grafana.layout import Row, dashboard
from ops.grafana.panels import BAD, WARNING, graph, number

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
            graph(
                "Tokens a minute",
                "Tokens of language models, in and out.",
                {
                    "{{provider}} {{model}} {{direction}}": queries.a_minute(
                        "switchboard_usage_tokens_total", "provider", "model", "direction", where=PROVIDER
                    )
                },
            ),
            graph(
                "Characters a minute",
                "Characters that were turned into speech.",
                {
                    "{{provider}} {{model}}": queries.a_minute(
                        "switchboard_usage_characters_total", "provider", "model", where=PROVIDER
                    )
                },
            ),
            graph(
                "Audio, seconds a minute",
                "Audio that was heard and spoken.",
                {
                    "{{provider}} {{kind}}": queries.a_minute(
                        "switchboard_usage_audio_seconds_total", "provider", "kind", where=PROVIDER
                    )
                },
                unit=units.Seconds,
            ),
        ],
    )
