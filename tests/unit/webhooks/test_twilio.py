from __future__ import annotations

import base64
from functools import partial
from xml.etree import ElementTree as ET

import pytest

from tasks.errors import InvalidSetting
from tasks.queue.routing import e164
from tasks.settings import Settings
from tasks.tenants import Tenant
from tests.unit.webhooks.memory import KEY, SECRET, MemoryDispatcher
from webhooks import twilio_signature, twiml
from webhooks.app import create_app
from webhooks.twilio_accounts import TwilioAccounts

ACCOUNT, OTHER = (f"AC{number:032}" for number in (1, 2))


@pytest.mark.parametrize(
    ("to", "number"),
    [
        ("+15551234567", "+15551234567"),
        (" +15551234567 ", "+15551234567"),
        ("15551234567", "+15551234567"),
        ("sip:+15551234567@acme.sip.twilio.com", "+15551234567"),
        ("sip:%2B15551234567@acme.sip.twilio.com;transport=tcp", "+15551234567"),
        ("SIPS:15551234567;phone-context=x@host", "SIPS:15551234567;phone-context=x@host"),
        ("sip:15551234567@host:5061?x=1", "+15551234567"),
        ("sip:reception@host", "reception"),
        ("client:anna", "client:anna"),
        ("0800123", "0800123"),
    ],
)
def test_the_called_number_is_read_from_what_twilio_says(to: str, number: str) -> None:
    assert e164(to) == number


dial = partial(twiml.dial, timeout_seconds=600, action="https://calls.example.com/twilio/dialled?a=1&b=2")


def test_a_dialled_address_and_its_password_may_hold_any_character() -> None:
    document = ET.fromstring(dial("sip:a@b;x=<&>", username="\"u'", password="p<&>\"'"))  # noqa: S314 - our own

    (sip,) = document.iter("Sip")
    assert (sip.text, sip.attrib) == ("sip:a@b;x=<&>", {"username": "\"u'", "password": "p<&>\"'"})


def test_an_address_without_a_password_asks_for_none() -> None:
    (sip,) = ET.fromstring(dial("sip:a@b", username=None, password=None)).iter("Sip")  # noqa: S314 - our own
    assert sip.attrib == {}


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"SWITCHBOARD_SIP_URI": "sip:sip.example.com"}, "SWITCHBOARD_PUBLIC_URL"),
        ({"SWITCHBOARD_PUBLIC_URL": "https://example.com"}, "SWITCHBOARD_SIP_URI"),
    ],
)
async def test_a_receiver_does_not_start_if_it_could_not_connect_a_telephone(
    given: dict[str, str], missing: str
) -> None:
    settings = Settings.read(
        {
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "SWITCHBOARD_TWILIO_AUTH_TOKENS": f"{ACCOUNT}=token",
            **given,
        },
    )
    app = create_app(settings, connect=lambda _: MemoryDispatcher())
    with pytest.raises(InvalidSetting, match=missing):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize("uri", ["sip.example.com", "sip:user@sip.example.com", "sip:a<b", "tel:+1555"])
def test_a_sip_address_with_a_user_or_of_no_form_is_refused(uri: str) -> None:
    with pytest.raises(InvalidSetting, match="SWITCHBOARD_SIP_URI"):
        Settings.read({"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "SWITCHBOARD_SIP_URI": uri})


def test_an_account_may_have_several_tokens() -> None:
    accounts = TwilioAccounts.parse(f" {ACCOUNT}=new , {ACCOUNT}=old=,{OTHER}=t,")
    assert (accounts.tokens(ACCOUNT), accounts.tokens(OTHER), accounts.tokens("AC")) == (["new", "old="], ["t"], ())


@pytest.mark.parametrize(
    "setting", ["token", "AC1=token", f"{ACCOUNT}=", f"{ACCOUNT}", f"={ACCOUNT}", "SK" + "0" * 32 + "=t"]
)
def test_a_token_without_its_account_is_refused_and_not_shown(setting: str) -> None:
    with pytest.raises(InvalidSetting, match=r"AC…=token,AC…=token") as refused:
        TwilioAccounts.parse(setting)
    assert "token'" not in str(refused.value)


def test_the_numbers_of_a_tenant_that_names_no_account_are_those_of_the_only_one() -> None:
    one, two = TwilioAccounts.parse(f"{ACCOUNT}=a,{ACCOUNT}=b"), TwilioAccounts.parse(f"{ACCOUNT}=a,{OTHER}=b")
    unbound, bound = Tenant(id="a", tier="x"), Tenant(id="a", tier="x", twilio_account=OTHER)
    assert (one.owns(ACCOUNT, unbound), two.owns(ACCOUNT, unbound)) == (True, False)
    assert [two.owns(account, bound) for account in (ACCOUNT, OTHER)] == [False, True]


def test_what_is_said_to_a_caller_is_text() -> None:
    (say, hangup) = ET.fromstring(twiml.say("We are <busy> & sorry"))  # noqa: S314 - our own
    assert (say.tag, say.text, hangup.tag) == ("Say", "We are <busy> & sorry", "Hangup")


@pytest.mark.parametrize("signature", ["", "x", "A" * 28, "\u00e9" * 28, base64.b64encode(bytes(19)).decode()])
def test_what_cannot_be_a_signature_is_known_before_the_body_is_read(signature: str) -> None:
    assert twilio_signature.is_well_formed(base64.b64encode(bytes(20)).decode())
    assert not twilio_signature.is_well_formed(signature)
