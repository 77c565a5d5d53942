"""`python -m ops.grafana`: write the dashboards to `dashboards/`."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.grafana.fleet import fleet
from ops.grafana.providers import providers
from ops.grafana.reliability import reliability
from ops.grafana.tenant import tenant
from ops.grafana.tier import tier

FOLDER = Path(__file__).with_name("dashboards")


def dashboards() -> dict[str, str]:
    """Return the dashboards as JSON, by the names of their files."""
    return {f"{build.__name__}.json": _json(build()) for build in (fleet, tier, tenant, providers, reliability)}


def _json(dashboard: Dashboard) -> str:
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(dashboard) + "\n"


if __name__ == "__main__":
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")
