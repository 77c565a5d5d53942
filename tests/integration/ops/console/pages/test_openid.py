"""The sign-in by OpenID Connect, at a provider that says what it should, and what it should not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey

from ops.stack import Binaries
from ops.stack.ports import PortPicker
from tests.integration.ops.console.pages import house as houses
from tests.integration.ops.console.pages.house import House, Visitor
from tests.support.openid_provider import CLIENT, CLIENT_SECRET, OpenIDProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class SignIn:
    house: House
    provider: OpenIDProvider

    async def through(self, visitor: Visitor, page: str = "/tenants") -> tuple[int, str, str]:
        """Go to the provider and back. Returns the status and the page at the end, and where that is."""
        async with visitor.session.get("/sign-in/openid", params={"next": page}) as answer:
            return answer.status, await answer.text(), answer.url.path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SignIn]:
    port = PortPicker().pick()
    async with OpenIDProvider().serve(port) as provider:
        env = {
            "SWITCHBOARD_CONSOLE_OPENID_ISSUER": provider.issuer,
            "SWITCHBOARD_CONSOLE_OPENID_CLIENT_ID": CLIENT,
            "SWITCHBOARD_CONSOLE_OPENID_CLIENT_SECRET": CLIENT_SECRET,
            "SWITCHBOARD_CONSOLE_OPENID_ROLES": "ann@example.com=operate+listen,*@example.com=view",
        }
        async with houses.opened(binaries, tmp_path_factory.mktemp("console"), env) as house:
            yield SignIn(house, provider)


@pytest.fixture
def sign_in(opened: SignIn) -> Iterator[SignIn]:
    yield opened
    opened.provider.claims = {}
    opened.provider.signer = opened.provider.published


async def test_a_person_with_a_role_is_signed_in_and_led_to_the_page_that_was_asked_for(sign_in: SignIn) -> None:
    async with sign_in.house.visitor() as ann:
        assert await sign_in.through(ann) == (200, (await ann.get("/tenants"))[1], "/tenants")
        assert (await ann.get("/try"))[0] == 200
    sign_in.provider.claims = {"email": "bob@example.com"}
    async with sign_in.house.visitor() as bob:
        assert (await sign_in.through(bob))[0] == 200
        assert (await bob.get("/try"))[0] == 403


@pytest.mark.parametrize(
    ("claims", "status", "problem"),
    [
        ({"email": "eve@elsewhere.com"}, 403, "eve@elsewhere.com has no role here."),
        ({"email_verified": False}, 403, "ann@example.com has no role here."),
        ({"nonce": "of another sign-in"}, 401, "answer cannot be used: InvalidClaimError"),
        ({"aud": "another client"}, 401, "answer cannot be used"),
        ({"iss": "http://127.0.0.1:1"}, 401, "answer cannot be used: InvalidClaimError"),
        ({"exp": 1000}, 401, "answer cannot be used: ExpiredTokenError"),
    ],
)
async def test_nobody_else_is(sign_in: SignIn, claims: dict[str, Any], status: int, problem: str) -> None:
    sign_in.provider.claims = claims
    async with sign_in.house.visitor() as visitor:
        found, page, _ = await sign_in.through(visitor)
        assert (found, problem in page) == (status, True), page
        assert (await visitor.get("/"))[0] == 303


async def test_a_token_that_the_provider_has_not_signed_is_refused(sign_in: SignIn) -> None:
    sign_in.provider.signer = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
    async with sign_in.house.visitor() as visitor:
        status, page, _ = await sign_in.through(visitor)
    assert status == 401
    assert "BadSignatureError" in page


async def test_a_redirect_that_this_browser_has_not_asked_for_is_refused(sign_in: SignIn) -> None:
    async with sign_in.house.visitor() as ann, sign_in.house.visitor() as eve:
        async with eve.session.get("/sign-in/openid", allow_redirects=False) as begun:
            provider = begun.headers["Location"]
        async with eve.session.get(provider, allow_redirects=False) as signed_in:
            back = signed_in.headers["Location"].partition(sign_in.house.url)[2]
        # Eve has it opened in Ann's browser, who would then work as Eve.
        status, page = await ann.get(back)
        assert status == 401
        assert "begun in another browser" in page
        assert (await eve.get(back))[0] == 303
        # And only once.
        assert (await eve.get(back))[0] == 401
