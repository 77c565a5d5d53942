"""Signed links to what the console keeps of a call."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from tasks.background.notices.links import AUDIO, CONTENTS, Link, LinkRefused, LinkSigner
from tasks.settings import Settings
from tests.support.tenants import SECRET

ENVIRONMENT = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": SECRET}
OTHER = "another-secret-of-thirty-two-bytes"


def link(seconds: int = 60) -> Link:
    return Link(AUDIO, "acme", "RM_1", 1, int(time.time()) + seconds)


def signer(**more: str) -> LinkSigner:
    return LinkSigner(Settings.read({**ENVIRONMENT, **more}))


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


def test_a_link_opens_what_it_was_signed_for() -> None:
    wanted = link()
    address = signer().sign(wanted)
    assert urlsplit(address).path == "/links/audio/RM_1/1"
    assert signer().check(AUDIO, "RM_1", 1, query_of(address)) == wanted


@pytest.mark.parametrize(
    ("thing", "sid", "attempt", "changes"),
    [
        (CONTENTS, "RM_1", 1, {}),
        (AUDIO, "RM_2", 1, {}),
        (AUDIO, "RM_1", 2, {}),
        (AUDIO, "RM_1", 1, {"tenant": "bolt"}),
        (AUDIO, "RM_1", 1, {"expires": "99999999999"}),
        (AUDIO, "RM_1", 1, {"expires": "soon"}),
        (AUDIO, "RM_1", 1, {"signature": "0" * 64}),
        (AUDIO, "RM_1", 1, {"signature": "é"}),
    ],
)
def test_a_link_opens_nothing_else(thing: str, sid: str, attempt: int, changes: dict[str, str]) -> None:
    query = query_of(signer().sign(link())) | changes
    with pytest.raises(LinkRefused):
        signer().check(thing, sid, attempt, query)


@pytest.mark.parametrize("missing", ["tenant", "expires", "signature"])
def test_a_link_without_one_of_its_parts_is_refused(missing: str) -> None:
    query = query_of(signer().sign(link()))
    del query[missing]
    with pytest.raises(LinkRefused):
        signer().check(AUDIO, "RM_1", 1, query)


def test_a_link_that_has_expired_is_refused() -> None:
    expired = replace(link(), expires=int(time.time()))
    with pytest.raises(LinkRefused):
        signer().check(AUDIO, "RM_1", 1, query_of(signer().sign(expired)))


def test_a_link_of_another_installation_is_refused() -> None:
    with pytest.raises(LinkRefused):
        signer().check(AUDIO, "RM_1", 1, query_of(signer(LIVEKIT_API_SECRET=OTHER).sign(link())))


def test_a_link_is_good_while_the_livekit_secret_is_replaced() -> None:
    old = query_of(signer().sign(link()))
    new = signer(LIVEKIT_API_SECRET=OTHER, SWITCHBOARD_WEBHOOK_KEYS=f"old:{SECRET}")
    assert new.check(AUDIO, "RM_1", 1, old).sid == "RM_1"
