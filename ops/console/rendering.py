"""Pages and their parts, from the templates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from ops.commands.ps import format_age
from ops.console.sign_in.operators import Operator, Role

STATIC = Path(__file__).with_name("static")
NAVIGATION = (
    ("/", "Now"),
    ("/calls", "Calls"),
    ("/tenants", "Tenants"),
    ("/dead-letters", "Dead letters"),
    ("/notices", "Notices"),
    ("/try", "Try a call"),
    ("/audit", "Audit"),
)
UNKNOWN = "\u2013"
SECOND_MS, MINUTE_MS = 1000, 60_000
HTMX = {
    # Without these htmx adds a style of its own, evaluates code in attributes, and keeps pages in the browser.
    "includeIndicatorStyles": False,
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
}


class Templates:
    """The templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("ops.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "static": static_url,
            "htmx_config": json.dumps(HTMX),
            "navigation": NAVIGATION,
            "Role": Role,
        }
        self._environment.filters |= {
            "age": format_age,
            "duration": format_duration,
            "moment": format_moment,
            "clock": format_clock,
            "number": format_number,
        }

    def part(self, template: str, **values: Any) -> str:
        """Return a part of a page."""
        return self._environment.get_template(template).render(values)

    def page(
        self,
        request: Request,
        template: str,
        operator: Operator | None,
        csrf: str,
        *,
        status: int = 200,
        **values: Any,
    ) -> HTMLResponse:
        """Return a whole page; for htmx, which asks for the panel in front of the open page, its content alone."""
        values |= {
            "operator": operator,
            "csrf": csrf,
            "path": request.url.path,
            "layout": "dialog.html" if request.headers.get("hx-request") == "true" else "layout.html",
        }
        return HTMLResponse(self.part(template, **values), status, {"Vary": "HX-Request"})


@cache
def static_url(name: str) -> str:
    """Return the address of a static file. It changes with the file, so that browsers may keep it."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?{digest}"


def format_duration(ms: float | None) -> str:
    """Return a length of time as `340 ms`, `1.24 s` or `3 min 05 s`; a dash if it is not known."""
    if ms is None:
        return UNKNOWN
    if ms < SECOND_MS:
        return f"{ms:.0f} ms"
    if ms < MINUTE_MS:
        return f"{ms / SECOND_MS:.{2 if ms < 10 * SECOND_MS else 1}f} s"
    return format_age(int(ms))


def format_moment(ms: int | None) -> str:
    """Return a time (unix ms) as `2026-05-04 13:02:11`, in UTC."""
    return UNKNOWN if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def format_clock(ms: float) -> str:
    """Return a place in a recording as `1:04.2`."""
    minutes, rest = divmod(max(0, ms), 60_000)
    return f"{int(minutes)}:{rest / 1000:04.1f}"


def format_number(value: float) -> str:
    """Return a number with spaces between its thousands."""
    return f"{value:,.0f}".replace(",", "\u202f") if float(value).is_integer() else f"{value:,.1f}"


def choices(values: Iterable[str]) -> list[str]:
    """Return what a filter offers: each value once, sorted."""
    return sorted({value for value in values if value})
