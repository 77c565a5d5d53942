"""The login of Flower's `/metrics` and `/healthcheck`.

Flower leaves both open, whatever its other pages ask for, and has no option for it. `/metrics` names the workers, and
how many calls each has. Here they ask for what the pages ask for: a password; or, with single sign-on, a login or
Switchboard's password, as Prometheus and health checks cannot sign on.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flower.views.monitor import Healthcheck, Metrics

GUARDED = (Healthcheck, Metrics)


def require(passwords: Sequence[str]) -> None:
    """Have both ask for a login. `passwords`: each `user:password` that is accepted in place of a sign-on."""

    def prepare(handler: Any) -> None:
        if _has_password(handler.request.headers.get("Authorization", ""), passwords):
            return
        # Flower's own check, which raises the 401 itself where it has passwords.
        if not handler.current_user:
            handler.send_error(HTTPStatus.UNAUTHORIZED)

    for handler in GUARDED:
        # Tornado calls it before the method of each request.
        handler.prepare = prepare


def _has_password(header: str, passwords: Sequence[str]) -> bool:
    scheme, _, credentials = header.partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and any(hmac.compare_digest(given, each.encode()) for each in passwords)
