"""POST /twilio/incoming: somebody calls a telephone number, and Twilio asks what to do."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import parse_qs, parse_qsl, unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tasks.errors import InvalidSetting, SwitchboardError, UnknownNumber
from tasks.idempotency import Once
from tasks.settings import Settings
from tasks.tenants import Tenant
from webhooks import body, problems, twilio_signature, twiml
from webhooks.call_creator import CallMaker
from webhooks.errors import BodyCutShort, BodyTooLarge
from webhooks.metrics import Metrics
from webhooks.problems import Problem

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()

PATH = "/twilio/incoming"
MAX_BYTES = 64 << 10
TRIES = 5
"""How often Twilio asks while a call cannot be made, `twiml.PAUSE_SECONDS` apart."""
WAIT_SECONDS = 60
"""How long a room waits for the call to come in from LiveKit's SIP server."""
CONNECTED, REPEATED = "connected", "repeated"
UNKNOWN_NUMBER, ASKED_AGAIN, GAVE_UP = "unknown_number", "asked_again", "gave_up"

_SIP = re.compile(r"sips?:(?P<user>[^@;?]+)@.*", re.IGNORECASE)
_DIGITS = re.compile(r"[1-9][0-9]{6,14}")


class TwiML(Response):
    """Instructions for Twilio."""

    media_type = "application/xml"


class Numbers(Protocol):
    """What is needed of tasks.queue.dispatcher.Dispatcher."""

    async def tenant_by_number(self, number: str) -> Tenant:
        """The tenant that is called by a number."""
        ...


@dataclass(frozen=True)
class TelephoneDesk:
    """What the route works with, on `app.state.telephone` while the app is up. Without tokens it is not offered."""

    maker: CallMaker
    numbers: Numbers
    metrics: Metrics
    public_url: str
    sip_uri: str
    sip_username: str | None
    tokens: tuple[str, ...] = field(repr=False)
    sip_password: str | None = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def from_settings(cls, settings: Settings, maker: CallMaker, numbers: Numbers, metrics: Metrics) -> Self:
        """Raises InvalidSetting if something is missing."""
        tokens = settings.twilio_auth_tokens.get_secret_value() if settings.twilio_auth_tokens else ""
        if tokens:
            for name in ("public_url", "sip_uri"):
                if not getattr(settings, name):
                    cure = "with SWITCHBOARD_TWILIO_AUTH_TOKENS it has to be set"
                    raise InvalidSetting(name=f"SWITCHBOARD_{name.upper()}", value=None, cure=cure)
        return cls(
            maker=maker,
            numbers=numbers,
            metrics=metrics,
            public_url=(settings.public_url or "").rstrip("/"),
            sip_uri=settings.sip_uri or "",
            sip_username=settings.sip_username,
            tokens=tuple(token.strip() for token in tokens.split(",") if token.strip()),
            sip_password=settings.sip_password.get_secret_value() if settings.sip_password else None,
            secret=settings.livekit_api_secret.get_secret_value(),
        )

    def dial(self, room: str) -> str:
        """The TwiML that connects a call to a room: the user of the SIP address is the room's name."""
        scheme, _, rest = self.sip_uri.partition(":")
        return twiml.dial(f"{scheme}:{room}@{rest}", username=self.sip_username, password=self.sip_password)


@router.post(PATH, response_class=TwiML)
async def answer_call(request: Request) -> Response:
    """Answer an incoming telephone call with TwiML that connects it to a new room, whose agent is on its way.

    The same call (`CallSid`) gets the same room.
    """
    desk: TelephoneDesk = request.app.state.telephone
    try:
        form = await _verified(request, desk)
    except Problem as problem:
        desk.metrics.count_twilio(problem.code)
        logger.warning("no telephone call", extra={"code": problem.code, "problem": str(problem)})
        return problems.answer(problem)
    try:
        outcome, instructions = await _connect(form, desk)
    except SwitchboardError as error:
        outcome, instructions = _otherwise(error, request, desk)
        logger.warning(
            "a telephone call is not connected",
            extra={"call_sid": form["CallSid"], "outcome": outcome, "problem": str(error)},
        )
    desk.metrics.count_twilio(outcome)
    return TwiML(instructions)


async def _verified(request: Request, desk: TelephoneDesk) -> Mapping[str, str]:
    if not desk.tokens:
        raise problems.NotOffered(setting="SWITCHBOARD_TWILIO_AUTH_TOKENS")
    try:
        raw = await body.read(request, MAX_BYTES)
    except BodyTooLarge:
        raise problems.BodyOverLimit(limit=MAX_BYTES) from None
    except BodyCutShort:
        raise problems.BodyIncomplete from None
    form = parse_qsl(raw.decode(errors="replace"), keep_blank_values=True)
    query = _query(request)
    url = f"{desk.public_url}{PATH}{'?' if query else ''}{query}"
    signature = request.headers.get("x-twilio-signature", "")
    if not twilio_signature.is_right(signature, url=url, form=form, tokens=desk.tokens):
        raise problems.SignatureInvalid
    fields = dict(form)
    for parameter in ("CallSid", "To"):
        if not fields.get(parameter):
            raise problems.FormIncomplete(parameter=parameter)
    return fields


async def _connect(form: Mapping[str, str], desk: TelephoneDesk) -> tuple[str, str]:
    called = called_number(form["To"])
    tenant = await desk.numbers.tenant_by_number(called)
    metadata = {
        "caller_number": form.get("From", ""),
        "called_number": called,
        "twilio_call_sid": form["CallSid"],
    }
    once = Once.of(secret=desk.secret, key=f"twilio:{form['CallSid']}", content=b"")
    call = await desk.maker.make(tenant.id, metadata, wait_seconds=WAIT_SECONDS, once=once)
    return (REPEATED if call.again else CONNECTED), desk.dial(call.room)


def called_number(to: str) -> str:
    """The number in what Twilio calls `To`: in E.164 already, or the user of a SIP address, which may lack the plus."""
    match = _SIP.fullmatch(to.strip())
    number = unquote(match["user"]) if match else to.strip()
    return f"+{number}" if _DIGITS.fullmatch(number) else number


def _otherwise(error: SwitchboardError, request: Request, desk: TelephoneDesk) -> tuple[str, str]:
    if isinstance(error, UnknownNumber):
        return UNKNOWN_NUMBER, twiml.NOT_IN_SERVICE
    tried = _tries(_query(request))
    if error.retryable and tried < TRIES:
        # A 503 would be the end: Twilio tells the caller of an application error and hangs up.
        return ASKED_AGAIN, twiml.ask_again(f"{desk.public_url}{PATH}?try={tried + 1}")
    return GAVE_UP, twiml.BUSY


def _query(request: Request) -> str:
    # Not request.url, which is put together with the Host header, and so can be anything at all.
    return bytes(request.scope["query_string"]).decode("latin-1")


def _tries(query: str) -> int:
    # The signature covers the query, so it is ours, or in the URL that the operator has given to Twilio.
    tried = parse_qs(query).get("try", ["1"])[0]
    return int(tried) if re.fullmatch("[0-9]{1,3}", tried) else 1
