"""The request of a call's task in the worker's main process: Celery tells it how the task ended."""

from __future__ import annotations

import ast
from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from tasks.call.failure import CallFailed
from tasks.worker.intake.breaker import Failure


def tenant_of(kwargsrepr: str | None) -> str:
    """Return the tenant of a message, from what Flower shows of it; "" if it does not say."""
    try:
        shown = ast.literal_eval(kwargsrepr or "")
        return str(shown["tenant"])
    except (ValueError, SyntaxError, TypeError, KeyError):
        return ""


class CallRequest(Request):
    """A request that tells the circuit breaker of its worker when its call has failed."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - Celery's signature
        """Record the failure, and handle it as Celery does."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        tenant = tenant_of(self._request_dict.get("kwargsrepr"))
        room = str(self.kwargs.get("sid", self.id))
        breaker = self.app.switchboard.breaker
        if isinstance(error, CallFailed):
            breaker.failed(self.id, Failure(room, tenant, error.reason, of_host=error.of_host))
        elif isinstance(error, WorkerLostError):
            breaker.failed(self.id, Failure(room, tenant, "the child of the call has died", of_host=False))
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
