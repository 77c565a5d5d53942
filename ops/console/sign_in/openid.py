"""Sign-in by OpenID Connect: the authorization code flow with PKCE, state and nonce, by authlib.

The provider says who the operator is, and the settings which roles that gives: a claim of the ID token, `email` or a
list of `groups`, is compared with `SWITCHBOARD_CONSOLE_OPENID_ROLES`. An address counts only if the provider has
verified it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from httpx2 import AsyncClient, HTTPError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ops.console import keys
from ops.console.sign_in.operators import Operator, Role, parse_roles
from tasks.errors import InvalidSetting
from tasks.settings import ConsoleSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

CALLBACK = "/sign-in/openid/callback"
SECONDS = 10.0
DISCOVERY_SECONDS = 3600.0
"""The time for which the provider's description and keys are kept."""
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Signatures of ID tokens that are accepted: none that is made with the client's secret."""
RANDOM_BYTES = 32


class OpenIDError(Exception):
    """Raised when somebody could not be signed in. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A person that the provider has signed in. `claims`: the values of the claim that says roles."""

    name: str
    claims: tuple[str, ...]


class OpenIDConnect:
    """The provider of OpenID Connect, as the settings name it."""

    def __init__(self, settings: ConsoleSettings, roles: Mapping[str, frozenset[Role]]) -> None:
        self._settings = settings
        self._roles = roles
        self._described: tuple[float, dict[str, Any], KeySet] | None = None
        self._describing = asyncio.Lock()

    @classmethod
    def from_settings(cls, settings: ConsoleSettings) -> Self | None:
        """Return the provider, or None if the settings name none. Raises InvalidSetting."""
        if settings.openid_issuer is None:
            return None
        for name in ("openid_client_id", "openid_roles"):
            if not getattr(settings, name):
                variable = f"SWITCHBOARD_CONSOLE_{name.upper()}"
                raise InvalidSetting(
                    name=variable, value=None, cure="set it, because SWITCHBOARD_CONSOLE_OPENID_ISSUER is set"
                )
        return cls(settings, _parse(settings.openid_roles or ""))

    @property
    def host(self) -> str:
        """The host of the provider, by which operators know it."""
        return urlsplit(self._settings.openid_issuer or "").netloc

    def operator(self, name: str, claims: Sequence[str]) -> Operator | None:
        """Return the operator with the roles that these claims give, or None if they give none."""
        roles = [
            roles for pattern, roles in self._roles.items() if any(fnmatchcase(claim, pattern) for claim in claims)
        ]
        return Operator(name, frozenset().union(*roles)) if roles else None

    async def begin(self, redis: Redis, next_page: str) -> tuple[str, str]:
        """Return the address at the provider, and the state that the operator's browser brings back.

        Raises OpenIDError, RedisError or OSError.
        """
        state, nonce, verifier = (secrets.token_urlsafe(RANDOM_BYTES) for _ in range(3))
        description, _ = await self._describe()
        content = json.dumps({"nonce": nonce, "verifier": verifier, "next": next_page})
        await redis.set(_key(state), content, ex=keys.OPENID_SECONDS)
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                description["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return url, state

    async def finish(self, redis: Redis, query: Mapping[str, str], state: str) -> tuple[Identity, str]:
        """Return the person and the page to go to, from the provider's redirect. `state`: that of the browser's cookie.

        Raises OpenIDError, RedisError or OSError.
        """
        if not state or not secrets.compare_digest(state.encode(), query.get("state", "").encode()):
            raise OpenIDError("This sign-in was begun in another browser, or too long ago. Sign in again.")
        # Taken at once: each is good for one sign-in.
        content = await redis.getdel(_key(state))
        if content is None:
            raise OpenIDError("This sign-in took too long. Sign in again.")
        if "code" not in query:
            raise OpenIDError(f"The provider has refused: {query.get('error', 'no code')[:100]}.")
        begun = json.loads(content)
        try:
            identity = await self._exchange(query["code"], begun["verifier"], begun["nonce"])
        except (AuthlibBaseError, JoseError, HTTPError, ValueError, KeyError) as error:
            raise OpenIDError(f"The provider's answer cannot be used: {type(error).__name__}.") from error
        return identity, begun["next"]

    async def _exchange(self, code: str, verifier: str, nonce: str) -> Identity:
        description, signers = await self._describe()
        async with self._client() as client:
            answer = await client.fetch_token(
                description["token_endpoint"], code=code, code_verifier=verifier, grant_type="authorization_code"
            )
        token = jwt.decode(answer["id_token"], signers, algorithms=ALGORITHMS)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={"iss": {"essential": True, "value": description["issuer"]}},
            params={
                "nonce": nonce,
                "client_id": self._settings.openid_client_id,
                "access_token": answer.get("access_token"),
            },
        )
        claims.validate(leeway=60)
        audience = token.claims["aud"]
        if self._settings.openid_client_id not in ([audience] if isinstance(audience, str) else audience):
            raise ValueError("the ID token is for another client")
        return self._identity(token.claims)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        wanted = self._settings.openid_claim
        said = claims.get(wanted)
        values = tuple(map(str, said)) if isinstance(said, list) else (str(said),) if said else ()
        if wanted == "email" and claims.get("email_verified") is not True:
            values = ()
        return Identity(str(claims.get("email") or claims.get("preferred_username") or claims["sub"])[:128], values)

    def _client(self) -> Any:
        secret = self._settings.openid_client_secret
        return AsyncOAuth2Client(
            client_id=self._settings.openid_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope="openid email profile",
            redirect_uri=f"{self._settings.url}{CALLBACK}",
            code_challenge_method="S256",
            timeout=SECONDS,
        )

    async def _describe(self) -> tuple[dict[str, Any], KeySet]:
        """Return the provider's description and its keys, read again after an hour."""
        async with self._describing:
            if self._described is None or time.monotonic() - self._described[0] > DISCOVERY_SECONDS:
                try:
                    self._described = (time.monotonic(), *await self._discover())
                except (HTTPError, ValueError, KeyError, JoseError) as error:
                    raise OpenIDError(
                        f"The provider of OpenID Connect does not answer as it should: {type(error).__name__}."
                    ) from error
            return self._described[1:]

    async def _discover(self) -> tuple[dict[str, Any], KeySet]:
        issuer = (self._settings.openid_issuer or "").rstrip("/")
        async with AsyncClient(timeout=SECONDS) as client:
            answer = await client.get(f"{issuer}/.well-known/openid-configuration")
            description: dict[str, Any] = answer.raise_for_status().json()
            if description["issuer"].rstrip("/") != issuer:
                raise ValueError("the provider says that it is another issuer")
            published = await client.get(description["jwks_uri"])
            return description, KeySet.import_key_set(published.raise_for_status().json())


def _parse(setting: str) -> dict[str, frozenset[Role]]:
    roles: dict[str, frozenset[Role]] = {}
    for item in filter(None, (part.strip() for part in setting.split(","))):
        pattern, _, named = item.rpartition("=")
        try:
            roles[pattern] = parse_roles(named)
        except ValueError as error:
            cure = f"{error}; write it as value=role+role,value=role"
            raise InvalidSetting(name="SWITCHBOARD_CONSOLE_OPENID_ROLES", value="***", cure=cure) from None
    return roles


def _key(state: str) -> str:
    return keys.openid(hashlib.sha256(state.encode()).hexdigest())
