"""The requests of a backend and of Twilio to one receiver."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
from livekit import api
from prometheus_client.parser import text_string_to_metric_families

from webhooks import twilio_signature

TENANTS: Final = """
[tenants.acme]
tier = "premium"
numbers = ["+15551234567"]
twilio_account = "AC00000000000000000000000000000001"
[tenants.basic]
tier = "free"
numbers = ["+15552222222"]
twilio_account = "AC00000000000000000000000000000002"
[tenants.homeless]
tier = "free"
numbers = ["+15553333333"]
[tenants.small]
tier = "free"
max_calls = 1
max_waiting = 0
numbers = ["+15550000001"]
twilio_account = "AC00000000000000000000000000000001"
[tenants.broken]
tier = "gold"
numbers = ["+15550000000"]
twilio_account = "AC00000000000000000000000000000001"
"""
ACME_KEY, BOTH_KEY, EVERY_KEY = "key-of-acme", "key-of-acme-and-basic", "key-of-the-operator"
ACCOUNT, OTHER_ACCOUNT = (f"AC{number:032}" for number in (1, 2))
OTHER_TOKEN = "auth-token-of-another-account"
AUTH_TOKEN, NEW_AUTH_TOKEN = "auth-token-of-now", "auth-token-after-it"
PUBLIC_URL: Final = "https://calls.example.com"
SIP_PASSWORD: Final = "p<a>&ss"
SMALL_NUMBER: Final = "+15550000001"
NUMBER, CALLER = "+15551234567", "+15557654321"


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


SETTINGS: Final = {
    "SWITCHBOARD_API_KEYS": f"acme={hashed(ACME_KEY)},acme|basic={hashed(BOTH_KEY)},*={hashed(EVERY_KEY)}",
    "SWITCHBOARD_API_DOCS": "true",
    "SWITCHBOARD_AGENT_NAMES": "reception",
    "SWITCHBOARD_MAX_WAIT_SECONDS": "premium=45.5,standard=900",
    "SWITCHBOARD_TWILIO_AUTH_TOKENS": ",".join(
        (f"{ACCOUNT}={AUTH_TOKEN}", f"{ACCOUNT}={NEW_AUTH_TOKEN}", f"{OTHER_ACCOUNT}={OTHER_TOKEN}")
    ),
    # The schemas' generated requests come as fast as they can.
    "SWITCHBOARD_CALLS_PER_SECOND": "1000",
    "SWITCHBOARD_CALLS_BURST": "10000",
    "SWITCHBOARD_PUBLIC_URL": PUBLIC_URL,
    "SWITCHBOARD_SIP_URI": "sip:sip.example.com:5061;transport=tcp",
    "SWITCHBOARD_SIP_USERNAME": "switchboard",
    "SWITCHBOARD_SIP_PASSWORD": SIP_PASSWORD,
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.text)  # noqa: S314 - it is our own

    @property
    def problem(self) -> tuple[int, str, list[str]]:
        """Status, code, and the fields that are wrong."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return self.status, self.json["code"], [error["field"] for error in self.json["errors"]]

    @property
    def dialled(self) -> str:
        """The room that a TwiML connects the call to."""
        (sip,) = self.xml.iter("Sip")
        assert sip.text
        user, _, host = sip.text.removeprefix("sip:").partition("@")
        assert host == "sip.example.com:5061;transport=tcp"
        assert sip.attrib == {"username": "switchboard", "password": SIP_PASSWORD}
        return user


class Client:
    """A client of one receiver."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self.url = f"http://127.0.0.1:{port}"

    async def call(
        self, content: object, *, key: str | None = ACME_KEY, idempotency_key: str | None = None, **headers: str
    ) -> Answer:
        """POST /calls; bytes are sent as they are."""
        sent = {"Content-Type": "application/json"}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await self.send("POST", "/calls", data, sent | headers)

    async def telephone(
        self,
        form: Mapping[str, str],
        *,
        query: str = "",
        token: str = AUTH_TOKEN,
        signature: str | None = None,
        path: str = "/twilio/incoming",
    ) -> Answer:
        """POST /twilio/incoming, as Twilio does."""
        path = f"{path}{query}"
        signed = twilio_signature.sign(f"{PUBLIC_URL}{path}", list(form.items()), token)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signed if signature is None else signature,
        }
        return await self.send("POST", path, urlencode(form).encode(), headers)

    async def send(self, method: str, path: str, data: bytes, headers: Mapping[str, str]) -> Answer:
        async with self._session.request(method, self.url + path, data=data, headers=headers) as response:
            return Answer(response.status, response.headers, await response.text())

    async def counted(self, metric: str, **labels: str) -> float:
        """Return the sum of the receiver's counters that have these labels, and perhaps others."""
        text = (await self.send("GET", "/metrics", b"", {})).text
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(
            sample.value for sample in samples if sample.name == metric and sample.labels.items() >= labels.items()
        )


def incoming(**fields: str) -> dict[str, str]:
    """The form of a new call to acme's number."""
    return {
        "AccountSid": ACCOUNT,
        "CallSid": f"CA{uuid.uuid4().hex}",
        "To": NUMBER,
        "From": CALLER,
        "CallStatus": "ringing",
        **fields,
    }


async def rooms_named(server: api.LiveKitAPI, *names: str) -> list[api.Room]:
    """The rooms of these names that the LiveKit server has."""
    return list((await server.room.list_rooms(api.ListRoomsRequest(names=names))).rooms)
