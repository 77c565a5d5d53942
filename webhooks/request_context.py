"""The context of a request: its id and its trace, which its log lines, its response and its call have.

`X-Request-Id` of a proxy or a backend is taken over, and so is `traceparent`; what is not valid counts as missing. A
response carries the id.
"""

from __future__ import annotations

import re
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks import logs, tracing
from tasks.tracing import TraceParent

REQUEST_ID = b"x-request-id"
TRACEPARENT = b"traceparent"
ROUTES = frozenset({"/livekit/webhook", "/calls", "/usage", "/concurrency", "/twilio/incoming", "/twilio/dialled"})
"""The routes whose requests have spans, beside `CALL`. Health checks have none."""
CALL = "/calls/{sid}"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestContext:
    """ASGI middleware around all others, so that the answer to a bug has the id, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _single(scope, REQUEST_ID)
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        sender = TraceParent.parse(_single(scope, TRACEPARENT))
        tracing.set_current(sender)
        logs.set_request_fields(request_id=request_id, **({"trace_id": sender.trace_hex} if sender else {}))
        route = route_of(scope["path"])
        if route is None:
            await self._answer(scope, receive, send, request_id, tracing.OpenSpan())
            return
        attributes = {"http.request.method": scope["method"], "http.route": route}
        with tracing.span(f"{scope['method']} {route}", "SERVER", attributes) as span:
            await self._answer(scope, receive, send, request_id, span)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, span: tracing.OpenSpan
    ) -> None:
        if (context := tracing.current()) is not None:
            # A trace that nobody keeps is not worth a search.
            span.on_keep = lambda: logs.set_request_fields(trace_id=context.trace_hex)
        span.set(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_status(message["status"])
                message = {**message, "headers": [*message.get("headers", ()), (REQUEST_ID, request_id.encode())]}
            await send(message)

        await self._app(scope, receive, send_with_id)


def route_of(path: str) -> str | None:
    """Return the route of a path whose requests have spans, None for any other. A path names its call, a route not."""
    if path in ROUTES:
        return path
    beginning, _, sid = path.rpartition("/")
    return CALL if beginning == "/calls" and sid else None


def _single(scope: Scope, name: bytes) -> str:
    """Return the header's value, "" if it is missing or there are several."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""
