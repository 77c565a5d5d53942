"""The signature of notices: the reference vectors of Standard Webhooks, and a receiver in another language."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tasks.background.notices.signature import is_secret, signature_headers
from tests.support.backend import OTHER_SECRET, SECRET

VERIFY = Path(__file__).with_name("verify.pl")
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = '{"test": 2432232314}'


def test_the_reference_vector_of_the_specification_has_its_signature() -> None:
    assert signature_headers(ID, AT, BODY, [SECRET]) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_a_receiver_in_another_language_takes_either_secret_and_no_other_body(secret: str) -> None:
    body = '{"type":"call.ended","data":{"room":"Grüße, 東京"}}'
    headers = signature_headers("msg_1", AT, body, [SECRET, OTHER_SECRET])

    def verifies(content: str, with_secret: str) -> bool:
        words = [with_secret, *headers.values()]
        return subprocess.run(["perl", VERIFY, *words], input=content.encode(), check=False).returncode == 0

    assert verifies(body, secret)
    assert not verifies(body.replace("ended", "ender"), secret)
    assert not verifies(body, "whsec_" + base64.b64encode(b"x" * 24).decode())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (SECRET, True),
        (OTHER_SECRET, True),
        ("whsec_" + base64.b64encode(b"x" * 64).decode(), True),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), False),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), False),
        ("whsec_" + "A" * 31, False),
        ("whsec_not base64 at all, by no means", False),
        (SECRET.removeprefix("whsec_"), False),
        ("", False),
    ],
)
def test_a_secret_is_what_the_specification_says(text: str, is_one: bool) -> None:  # noqa: FBT001 - a column
    assert is_secret(text) is is_one
