from __future__ import annotations

import re

import pytest
from livekit.protocol.models import ParticipantInfo

from tasks.queue.routing import (
    RoomMetadata,
    called_number,
    caller_number,
    is_left_to_others,
    is_named_by_a_rule,
    new_room_name,
    tenants_in_name,
)

WARM_TRANSFER = ("*-human-agent",)
TRUNK = {"sip.trunkID": "ST_1", "sip.ruleID": "SDR_1", "sip.trunkPhoneNumber": "+15551234567"}


@pytest.mark.parametrize(
    ("metadata", "tenant"), [('{"tenant_id": "acme"}', "acme"), ('{"tenant_id": "acme", "x": [1]}', "acme")]
)
def test_the_metadata_names_the_tenant(metadata: str, tenant: str) -> None:
    assert RoomMetadata.parse(metadata) == RoomMetadata(tenant)


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("", "has no metadata"),
        ("{", "is not JSON"),
        ("[" * 60_000, "is not JSON"),
        ('{"a":' * 60_000, "is not JSON"),
        ("9" * 60_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ("NaN", "is not a JSON object"),
        ("{}", "has no tenant_id"),
        ('{"tenant_id": ""}', "has no tenant_id"),
        ('{"tenant_id": 7}', "has no tenant_id"),
        ('{"tenant_id": ["acme"]}', "has no tenant_id"),
        ('{"tenant_id": "\\ud800"}', "has no tenant_id"),
        ('{"tenant_id": "a\\u0000b"}', "has no tenant_id"),
        (f'{{"tenant_id": "{"a" * 129}"}}', "has no tenant_id"),
    ],
)
def test_metadata_without_a_tenant_says_what_is_missing(metadata: str, problem: str) -> None:
    parsed = RoomMetadata.parse(metadata)

    assert parsed.tenant is None
    assert problem in parsed.problem


@pytest.mark.parametrize(
    ("name", "tenants"),
    [
        ("call-acme-1", ["acme"]),
        ("call-acme-inc-7f3a", ["acme-inc", "acme"]),
        ("call-acme-123e4567-e89b-12d3-a456-426614174000", [
            "acme-123e4567-e89b-12d3-a456",
            "acme-123e4567-e89b-12d3",
            "acme-123e4567-e89b",
            "acme-123e4567",
            "acme",
        ]),
        ("call-123e4567-e89b-1", ["123e4567-e89b", "123e4567"]),
        ("call-a.b@c-1", ["a.b@c"]),
        ("call-acme--1", ["acme-", "acme"]),
        ("call-acme", []),
        ("call-acme-", []),
        ("call--", []),
        ("xcall-acme-1", []),
        ("call-acme-1\n", []),
        ("call-ac me-1", []),
        ("call-_+15551234567_aBcDeFgHiJkL", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_name_may_contain_any_tenant_that_ends_at_a_dash(name: str, tenants: list[str]) -> None:
    assert tenants_in_name(name) == tenants


def test_a_name_of_dashes_alone_asks_for_no_more_tenants_than_an_id_has_characters() -> None:
    assert len(tenants_in_name("call-a" + "-" * 60_000 + "1")) == 128


@pytest.mark.parametrize("tenant", ["acme", "acme-inc", "Acme_2", "a", "1-2-3"])
def test_the_tenant_can_be_read_from_the_name_of_a_new_room(tenant: str) -> None:
    names = {new_room_name(tenant) for _ in range(100)}

    assert len(names) == 100
    assert {tenants_in_name(name)[0] for name in names} == {tenant}


@pytest.mark.parametrize("tenant", ["a b", "a@b", "acme;x", "-", "a--b", "\u00e9"])
def test_a_tenant_that_does_not_go_into_a_name_is_not_in_it(tenant: str) -> None:
    assert re.fullmatch("call-[0-9a-f]{16}", new_room_name(tenant))


@pytest.mark.parametrize(
    ("name", "metadata", "left"),
    [
        ("standup", '{"switchboard": false}', True),
        ("call-acme-1", '{"tenant_id": "acme", "switchboard": false}', True),
        ("call-acme-1-human-agent", "", True),
        ("call-acme-1-human-agent", '{"tenant_id": "acme", "switchboard": true}', False),
        ("call-acme-1", "", False),
        ("call-acme-1", '{"switchboard": "false"}', False),
        ("call-acme-1", '{"switchboard": 0}', False),
        ("human-agent", "", False),
        ("x-HUMAN-AGENT", "", False),
    ],
)
def test_a_room_is_left_to_others_by_its_metadata_and_else_by_its_name(name: str, metadata: str, left: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_left_to_others(name, RoomMetadata.parse(metadata), WARM_TRANSFER) is left


@pytest.mark.parametrize(
    ("attributes", "number"),
    [
        (TRUNK, "+15551234567"),
        (TRUNK | {"sip.trunkPhoneNumber": "15551234567"}, "+15551234567"),
        # The callee rule of Twilio's calls: what was called is a room.
        (TRUNK | {"sip.trunkPhoneNumber": "call-acme-0123456789abcdef"}, None),
        # A rule without trunks lets in whoever finds the server (sip#326): 11**1504… was dialled by nobody.
        (TRUNK | {"sip.trunkID": ""}, None),
        # Who is called by an agent came through no rule, and the number is that of the caller's side.
        ({name: value for name, value in TRUNK.items() if name != "sip.ruleID"}, None),
        # hide_phone_number
        ({name: value for name, value in TRUNK.items() if name != "sip.trunkPhoneNumber"}, None),
        ({}, None),
    ],
)
def test_the_called_number_is_that_of_a_call_that_a_trunk_let_in(
    attributes: dict[str, str], number: str | None
) -> None:
    participant = ParticipantInfo(kind=ParticipantInfo.Kind.SIP, attributes=attributes)

    assert called_number(participant) == number


@pytest.mark.parametrize(
    ("attribute", "number"),
    [("+4930123", "+4930123"), ("4930123456", "+4930123456"), ("anonymous", "anonymous"), ("", ""), ("1" * 65, "")],
)
def test_the_callers_number_is_that_of_a_telephone(attribute: str, number: str) -> None:
    attributes = {"sip.phoneNumber": attribute}
    assert caller_number(ParticipantInfo(kind=ParticipantInfo.Kind.SIP, attributes=attributes)) == number
    assert caller_number(ParticipantInfo(kind=ParticipantInfo.Kind.STANDARD, attributes=attributes)) == ""


def test_only_a_telephone_has_called_a_number() -> None:
    for kind in set(ParticipantInfo.Kind.keys()) - {"SIP"}:
        assert called_number(ParticipantInfo(kind=kind, attributes=TRUNK)) is None


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("call-_+15551234567_aBcDeFgHiJkL", True),
        ("in_+15551234567_aBcDeFgHiJkL", True),
        ("call-_sip_5551_aBcDeFgHiJkL", True),
        ("call-acme-0123456789abcdef", False),
        ("standup", False),
        ("my_room", False),
    ],
)
def test_a_room_of_a_dispatch_rule_is_known_by_its_name(name: str, named: bool) -> None:  # noqa: FBT001 - as above
    assert is_named_by_a_rule(name) is named
