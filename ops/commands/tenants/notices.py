"""Validation of a tenant's table `notices`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlsplit

from ops.commands.tenants.problem import Problem
from tasks.tenants.notices_table import MOST_SECRETS, NoticeContent, NoticesTable, NoticeType

TABLE = "notices"
LONGEST_URL = 2000


def notices(tenant: str, table: NoticesTable | None) -> Iterator[Problem]:
    """Yield the problems of the table, if there is one, except those of what its references lead to."""
    if table is None:
        return
    known = ", ".join(NoticesTable.model_fields)
    for name in table.unknown:
        yield Problem(tenant, name, f"there is no such entry; there are {known}", TABLE)
    if problem := _problem_of_url(table.url):
        yield Problem(tenant, "url", problem, TABLE)
    if not 0 < len(table.secrets) <= MOST_SECRETS:
        cure = 'it is a list of one reference, ["env:NAME"], or of two while one takes the place of the other'
        yield Problem(tenant, "secrets", cure, TABLE)
    elif len(set(table.secrets)) < len(table.secrets):
        yield Problem(tenant, "secrets", "both are the same", TABLE)
    yield from _listed(tenant, "events", table.events, NoticeType)
    yield from _listed(tenant, "include", table.include, NoticeContent)
    if not table.events:
        yield Problem(tenant, "events", "there is none in it; without the entry the backend is told of all", TABLE)


def _problem_of_url(url: str) -> str | None:
    """Return the problem of an address, or None. It does not repeat the address, which may have a token in it."""
    wrong = "write it as https://host/path, in ASCII"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return wrong
    if not usable or not url.isprintable() or not url.isascii() or " " in url or len(url) > LONGEST_URL:
        return wrong
    if parts.username is not None or parts.fragment:
        return "it has no user, no password and no fragment; notices are signed"
    return None


def _listed(tenant: str, field: str, names: tuple[str, ...], known: type[StrEnum]) -> Iterator[Problem]:
    for name in names:
        if name not in set(known):
            yield Problem(tenant, field, f"there is no {name!r}; there are {', '.join(known)}", TABLE)
