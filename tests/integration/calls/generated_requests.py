"""Hooks for schemathesis: Twilio's signature, and the tenant and the number that exist."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import requests
import schemathesis
from requests.auth import AuthBase

from tests.integration.calls.client import ACCOUNT, AUTH_TOKEN, NUMBER, PUBLIC_URL
from webhooks.twilio_signature import sign


class Twilio(AuthBase):
    """Signs a request as Twilio does."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or ""
        form = parse_qsl(body.decode() if isinstance(body, bytes) else body, keep_blank_values=True)
        request.headers["X-Twilio-Signature"] = sign(f"{PUBLIC_URL}{request.path_url}", form, AUTH_TOKEN)
        return request


schemathesis.auth.set_from_requests(Twilio()).apply_to(path="/twilio/incoming")  # type: ignore[attr-defined]


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Use the existing tenant or number in every other request, so that some succeed."""
    if isinstance(body, dict):
        tenant, number = body.get("tenant_id"), body.get("To")
        if isinstance(tenant, str) and 0 < len(tenant) <= 64 and len(tenant) % 2:
            return {**body, "tenant_id": "acme"}
        if isinstance(number, str) and len(number) % 2:
            return {**body, "To": NUMBER, "AccountSid": ACCOUNT}
    return body


@schemathesis.hook
def map_query(context: schemathesis.HookContext, query: Any) -> Any:
    """Ask about the existing tenant in every other request that names one."""
    tenant = query.get("tenant_id") if isinstance(query, dict) else None
    if isinstance(tenant, str) and 0 < len(tenant) <= 256 and len(tenant) % 2:
        return {**query, "tenant_id": "acme"}
    return query
