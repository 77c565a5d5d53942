"""The parts of a running console, for its pages, and the sign-in that each of them asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from ops.console import security
from ops.console.audit import Action, Audit, Entry
from ops.console.errors import FormRefused, RoleMissing, SignInRequired
from ops.console.now.live_view import LiveView
from ops.console.rendering import Templates
from ops.console.sign_in.attempts import Attempts
from ops.console.sign_in.openid import OpenIDConnect
from ops.console.sign_in.operators import Operator, PasswordOperators, Role
from ops.console.sign_in.sessions import Session, Sessions
from ops.console.story.waveform import Waveforms
from ops.recordings.archive import Archive
from tasks.background.notices import NoticeStore
from tasks.background.notices.links import LinkSigner
from tasks.queue.dispatcher import Dispatcher
from tasks.records import Database, RecordStore
from tasks.rooms import RoomStore
from tasks.settings import ConsoleSettings, Settings
from tasks.tracing.traceparent import TraceParent
from webhooks.call_creator import CallCreator

if TYPE_CHECKING:
    from redis.asyncio import Redis

COOKIE = "switchboard"


@dataclass(frozen=True)
class Console:
    """The parts, on `app.state.console` while the app runs."""

    settings: Settings
    own: ConsoleSettings
    redis: Redis
    rooms: RoomStore
    dispatcher: Dispatcher
    creator: CallCreator
    database: Database
    records: RecordStore
    archive: Archive
    links: LinkSigner
    notices: NoticeStore
    audit: Audit
    templates: Templates
    live: LiveView
    waveforms: Waveforms
    sessions: Sessions
    attempts: Attempts
    operators: PasswordOperators
    openid: OpenIDConnect | None

    @property
    def cookie(self) -> str:
        """The name of the session's cookie. With its prefix browsers take it over TLS and for this host alone."""
        return f"__Host-{COOKIE}" if self.own.secure else COOKIE

    def trace_url(self, traceparent: str) -> str | None:
        """Return the address of a trace in the tool that shows traces, if the settings name one."""
        parent = TraceParent.parse(traceparent) if self.own.trace_url else None
        return (self.own.trace_url or "").replace("{trace_id}", parent.trace_hex) if parent else None

    def operator_of(self, session: Session) -> Operator | None:
        """Return the operator of a session, with the roles that the settings give now, or None if they give none."""
        if session.claims is None:
            return self.operators.find(session.name)
        return self.openid.operator(session.name, session.claims) if self.openid else None


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a signed-in operator."""

    console: Console
    operator: Operator
    session: Session

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page for this operator."""
        csrf = self.session.csrf
        return self.console.templates.page(request, template, self.operator, csrf, status=status, **values)

    def note(self, request: Request, action: Action, subject: str = "", *, tenant: str = "", detail: str = "") -> None:
        """Add what the operator has done to the audit log."""
        self.console.audit.note(self._entry(request, action, subject, tenant, detail))

    async def require(
        self, request: Request, action: Action, subject: str, *, tenant: str = "", detail: str = ""
    ) -> None:
        """Add what the operator is about to hear or read to the audit log. Raises what `tasks.records` raises."""
        await self.console.audit.require(self._entry(request, action, subject, tenant, detail))

    def _entry(self, request: Request, action: Action, subject: str, tenant: str, detail: str) -> Entry:
        return Entry(self.operator.name, action, subject, tenant, detail, client_of(request))


def client_of(request: Request) -> str:
    """Return the address that a request came from."""
    return request.client.host if request.client else ""


def console_of(request: Request) -> Console:
    """Return the parts of the console that answers this request."""
    console: Console = request.app.state.console
    return console


async def find_visit(request: Request) -> Visit | None:
    """Return the signed-in operator, or None."""
    console = console_of(request)
    session = await console.sessions.find(request.cookies.get(console.cookie, ""))
    operator = console.operator_of(session) if session else None
    return Visit(console, operator, session) if session and operator else None


def visit(role: Role = Role.VIEW) -> Callable[[Request], Awaitable[Visit]]:
    """Return a dependency: the operator, who has this role. Whatever is not a GET has to carry the session's token.

    It raises SignInRequired, RoleMissing or FormRefused.
    """

    async def dependency(request: Request) -> Visit:
        found = await find_visit(request)
        if found is None:
            raise SignInRequired
        if request.method not in {"GET", "HEAD"}:
            await _check_form(request, found.session)
        if not found.operator.may(role):
            raise RoleMissing(role)
        return found

    return dependency


async def _check_form(request: Request, session: Session) -> None:
    sent = request.headers.get(security.CSRF_HEADER)
    if sent is None:
        form = await request.form()
        sent = str(form.get(security.CSRF_FIELD, ""))
    if not security.is_of_own_page(request) or not security.same_token(sent, session.csrf):
        raise FormRefused
