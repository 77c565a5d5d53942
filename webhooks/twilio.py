"""POST /twilio/incoming: an incoming telephone call, for which Twilio requests instructions."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tasks.errors import InvalidSetting, SwitchboardError, UnknownNumber
from tasks.queue.dispatcher import Dispatching
from tasks.queue.idempotency import IdempotencyKey
from tasks.queue.routing import e164
from tasks.settings import AfterWait, Settings
from webhooks import problems, twilio_signature, twiml
from webhooks.body import BodyReader
from webhooks.call_creator import CallCreator
from webhooks.call_rates import CallRates
from webhooks.metrics import Metrics
from webhooks.problems import Problem, WaitlistFull
from webhooks.twilio_accounts import TwilioAccounts

logger = logging.getLogger("switchboard.webhooks")
router = APIRouter()

PATH = "/twilio/incoming"
DIALLED_PATH = "/twilio/dialled"
MAX_BYTES = 64 << 10
TRIES = 5
"""Number of Twilio's requests for one call while the call cannot be created, `twiml.RETRY_SECONDS` apart."""
MOST_RINGING_SECONDS = 600
"""The longest `timeout` that Twilio's <Dial> takes."""
RINGING_SLACK_SECONDS = 10
"""The time for the end of a wait to reach the caller: the reconciler's tick, and the SIP server's answer."""
WAIT_SECONDS = 60
"""How long a room waits for the call to arrive from LiveKit's SIP server."""
CONNECTED, REPEATED = "connected", "repeated"
UNKNOWN_NUMBER, RETRYING, GAVE_UP = "unknown_number", "retrying", "gave_up"
OVER, NOT_ANSWERED = "over", "not_answered"
_ANSWERED = frozenset({"completed", "answered"})


class TwiML(Response):
    """A response with instructions for Twilio."""

    media_type = "application/xml"


@dataclass(frozen=True)
class TwilioEndpoint:
    """State of the endpoint, on `app.state.twilio_endpoint` while the app runs. Not enabled without `accounts`.

    `longest_waits`: tier -> the seconds after which a call that waits is ended; of the other tiers calls wait on.
    """

    creator: CallCreator
    dispatcher: Dispatching
    metrics: Metrics
    public_url: str
    sip_uri: str
    sip_username: str | None
    busy_phrase: str | None
    longest_waits: Mapping[str, float]
    rates: CallRates
    bodies: BodyReader
    accounts: TwilioAccounts = field(repr=False)
    sip_password: str | None = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def from_settings(
        cls, settings: Settings, creator: CallCreator, dispatcher: Dispatching, metrics: Metrics, rates: CallRates
    ) -> Self:
        """Return the endpoint. Raises InvalidSetting if a setting is missing or not valid."""
        telephone = settings.telephone
        check(settings)
        tokens = telephone.twilio_auth_tokens.get_secret_value() if telephone.twilio_auth_tokens else ""
        return cls(
            creator=creator,
            dispatcher=dispatcher,
            metrics=metrics,
            public_url=(telephone.public_url or "").rstrip("/"),
            sip_uri=telephone.sip_uri or "",
            sip_username=telephone.sip_username,
            busy_phrase=telephone.busy_phrase,
            longest_waits={
                tier: seconds
                for tier, seconds in settings.tiers.max_wait_seconds.items()
                if settings.tiers.after_wait.get(tier, AfterWait.END) is AfterWait.END
            },
            rates=rates,
            bodies=BodyReader(MAX_BYTES),
            accounts=TwilioAccounts.parse(tokens),
            sip_password=telephone.sip_password.get_secret_value() if telephone.sip_password else None,
            secret=settings.livekit.api_secret.get_secret_value(),
        )

    def dial(self, room: str, tier: str) -> str:
        """Return the TwiML that connects a call to a room. The user part of the SIP address is the room's name.

        It rings for as long as calls of the tier may wait, so that the end of the wait is ours and not Twilio's.
        """
        scheme, _, rest = self.sip_uri.partition(":")
        longest = self.longest_waits.get(tier, MOST_RINGING_SECONDS) + RINGING_SLACK_SECONDS
        return twiml.dial(
            f"{scheme}:{room}@{rest}",
            username=self.sip_username,
            password=self.sip_password,
            timeout_seconds=min(math.ceil(longest), MOST_RINGING_SECONDS),
            action=f"{self.public_url}{DIALLED_PATH}",
        )


def check(settings: Settings) -> None:
    """Raise InvalidSetting if a setting is missing that calls by telephone need."""
    telephone = settings.telephone
    for name in ("public_url", "sip_uri") if telephone.twilio_auth_tokens else ():
        if not getattr(telephone, name):
            cure = "set it, because SWITCHBOARD_TWILIO_AUTH_TOKENS is set"
            raise InvalidSetting(name=f"SWITCHBOARD_{name.upper()}", value=None, cure=cure)


@router.post(PATH, response_class=TwiML)
async def answer_call(request: Request) -> Response:
    """Answer an incoming telephone call with TwiML that connects it to a new room, whose agent is on its way.

    The same call (`CallSid`) gets the same room.
    """
    endpoint: TwilioEndpoint = request.app.state.twilio_endpoint
    try:
        form = await _verify(request, endpoint, PATH, "CallSid", "To")
    except Problem as problem:
        return _refuse(problem, endpoint)
    try:
        outcome, instructions = await _connect(form, endpoint)
    except SwitchboardError as error:
        outcome, instructions = _retry_or_reject(error, request, endpoint)
        logger.warning(
            "telephone call not connected",
            extra={"call_sid": form["CallSid"], "outcome": outcome, "problem": str(error)},
        )
    endpoint.metrics.count_twilio(outcome)
    return TwiML(instructions)


@router.post(DIALLED_PATH, response_class=TwiML, include_in_schema=False)
async def end_call(request: Request) -> Response:
    """End a telephone call that has been to its room, or that nobody answered there.

    Twilio asks when the SIP server has ended the call, or when it has rung for as long as calls may wait.
    """
    endpoint: TwilioEndpoint = request.app.state.twilio_endpoint
    try:
        form = await _verify(request, endpoint, DIALLED_PATH, "CallSid", "DialCallStatus")
    except Problem as problem:
        return _refuse(problem, endpoint)
    if form["DialCallStatus"] in _ANSWERED:
        endpoint.metrics.count_twilio(OVER)
        return TwiML(twiml.HANG_UP)
    logger.warning(
        "telephone call not answered",
        extra={"call_sid": form["CallSid"], "status": form["DialCallStatus"], "sip": form.get("DialSipResponseCode")},
    )
    endpoint.metrics.count_twilio(NOT_ANSWERED)
    return TwiML(twiml.BUSY if endpoint.busy_phrase is None else twiml.say(endpoint.busy_phrase))


def _refuse(problem: Problem, endpoint: TwilioEndpoint) -> Response:
    endpoint.metrics.count_twilio(problem.code)
    logger.warning("telephone request refused", extra={"code": problem.code, "problem": str(problem)})
    return problems.problem_response(problem)


async def _verify(request: Request, endpoint: TwilioEndpoint, path: str, *required: str) -> Mapping[str, str]:
    if not endpoint.accounts:
        raise problems.NotOffered(setting="SWITCHBOARD_TWILIO_AUTH_TOKENS")
    signature = request.headers.get("x-twilio-signature", "")
    if not twilio_signature.is_well_formed(signature):
        # Before the body is read, which the signature is for.
        raise problems.SignatureInvalid
    raw = await problems.read_body(endpoint.bodies, request)
    form = parse_qsl(raw.decode(errors="replace"), keep_blank_values=True)
    query = _query(request)
    url = f"{endpoint.public_url}{path}{'?' if query else ''}{query}"
    fields = dict(form)
    tokens = endpoint.accounts.tokens(fields.get("AccountSid", ""))
    if not twilio_signature.is_valid(signature, url=url, form=form, tokens=tokens):
        raise problems.SignatureInvalid
    for parameter in required:
        if not fields.get(parameter):
            raise problems.FormIncomplete(parameter=parameter)
    return fields


async def _connect(form: Mapping[str, str], endpoint: TwilioEndpoint) -> tuple[str, str]:
    number = e164(form["To"])
    tenant = await endpoint.dispatcher.tenant_by_number(number)
    account = form["AccountSid"]
    if not endpoint.accounts.owns(account, tenant):
        logger.warning("number is not the account's", extra={"account": account, "tenant": tenant.id})
        raise UnknownNumber
    endpoint.rates.take("this tenant", tenant.id)
    metadata = {
        "caller_number": form.get("From", ""),
        "called_number": number,
        "twilio_call_sid": form["CallSid"],
    }
    key = IdempotencyKey.of(secret=endpoint.secret, key=f"twilio:{account}:{form['CallSid']}", content=b"")
    call = await endpoint.creator.create(tenant.id, metadata, wait_seconds=WAIT_SECONDS, idempotency_key=key)
    return (REPEATED if call.repeated else CONNECTED), endpoint.dial(call.room, tenant.tier)


def _retry_or_reject(error: SwitchboardError, request: Request, endpoint: TwilioEndpoint) -> tuple[str, str]:
    if isinstance(error, UnknownNumber):
        return UNKNOWN_NUMBER, twiml.NOT_IN_SERVICE
    tries = _tries(_query(request))
    if error.retryable and tries < TRIES and not isinstance(error, WaitlistFull):
        # Not a 503: Twilio would play "an application error has occurred" to the caller and hang up.
        return RETRYING, twiml.retry(f"{endpoint.public_url}{PATH}?try={tries + 1}")
    return GAVE_UP, twiml.BUSY


def _query(request: Request) -> str:
    # Not request.url, which is built with the Host header, so the sender could choose it.
    return bytes(request.scope["query_string"]).decode("latin-1")


def _tries(query: str) -> int:
    # The signature covers the query, so it was set by `_retry_or_reject`, or by the operator in Twilio's console.
    tries = parse_qs(query).get("try", ["1"])[0]
    return int(tries) if re.fullmatch("[0-9]{1,3}", tries) else 1
