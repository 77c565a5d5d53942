from __future__ import annotations

import re

import pytest

from tasks.errors import NoTenant
from tasks.queue.routing import new_room_name, tenant_of


@pytest.mark.parametrize(
    ("name", "metadata", "default", "tenant"),
    [
        ("any name", '{"tenant_id": "acme"}', None, "acme"),
        ("call-other-1", '{"tenant_id": "acme", "caller": "x"}', None, "acme"),
        ("call-acme-1", "", None, "acme"),
        ("call-acme-inc-7f3a", "", None, "acme-inc"),
        ("call-acme-1", "free text of the backend", None, "acme"),
        ("call-acme-1", '{"tenant_id": 7}', None, "acme"),
        ("standup", "", "acme", "acme"),
    ],
)
def test_the_metadata_names_the_tenant_else_the_name_else_the_default(
    name: str, metadata: str, default: str | None, tenant: str
) -> None:
    assert tenant_of(name=name, metadata=metadata, default=default) == tenant


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("", "has no metadata"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "has no tenant_id"),
        ('{"tenant_id": ""}', "has no tenant_id"),
        ("[" * 60_000, "is not JSON"),
        (r'{"tenant_id": "\ud800"}', "tenant_id is not text"),
    ],
)
def test_a_room_of_nobody_says_what_is_missing(metadata: str, problem: str) -> None:
    with pytest.raises(NoTenant, match=problem):
        tenant_of(name="standup", metadata=metadata, default=None)


@pytest.mark.parametrize("name", ["call-acme", "call--1", "call-acme-", "xcall-acme-1", "call-acme-1\n"])
def test_a_name_of_another_shape_names_no_tenant(name: str) -> None:
    with pytest.raises(NoTenant):
        tenant_of(name=name, metadata="", default=None)


@pytest.mark.parametrize("tenant", ["acme", "acme-inc", "Acme_2", "a"])
def test_the_tenant_can_be_read_from_the_name_of_a_new_room(tenant: str) -> None:
    names = {new_room_name(tenant) for _ in range(100)}

    assert len(names) == 100
    assert {tenant_of(name=name, metadata="", default=None) for name in names} == {tenant}


@pytest.mark.parametrize("tenant", ["a b", "a@b", "acme;x", "-", "\u00e9"])
def test_a_tenant_that_does_not_go_into_a_name_is_not_in_it(tenant: str) -> None:
    assert re.fullmatch("call-[0-9a-f]{16}", new_room_name(tenant))
