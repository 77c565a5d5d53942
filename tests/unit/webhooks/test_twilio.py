from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tasks.errors import InvalidSetting
from tasks.queue.routing import e164
from tasks.settings import Settings
from tests.unit.webhooks.memory import KEY, SECRET, MemoryDispatcher
from webhooks import twiml
from webhooks.app import create_app


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


def test_a_dialled_address_and_its_password_may_hold_any_character() -> None:
    document = ET.fromstring(twiml.dial("sip:a@b;x=<&>", username="\"u'", password="p<&>\"'"))  # noqa: S314 - our own

    (sip,) = document.iter("Sip")
    assert (sip.text, sip.attrib) == ("sip:a@b;x=<&>", {"username": "\"u'", "password": "p<&>\"'"})


def test_an_address_without_a_password_asks_for_none() -> None:
    (sip,) = ET.fromstring(twiml.dial("sip:a@b", username=None, password=None)).iter("Sip")  # noqa: S314 - our own
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
            "SWITCHBOARD_TWILIO_AUTH_TOKENS": "token",
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
