"""A check of the tenants' providers: each is reached, and accepts the tenant's key. A key is never shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import aiohttp

from ops.commands.doctor.connection_problem import problem_of
from ops.commands.doctor.finding import Finding, NotChecked, error, ok, warning
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.provider_request import ProviderRequest, request_for
from ops.commands.doctor.tenants import stored_tenants
from ops.commands.tenants.validation import parse
from pipeline.errors import PipelineError
from pipeline.options import Kind
from tasks.encryption import DecryptionFailed, Encryption, SignatureState
from tasks.errors import InvalidSetting, KeySourceUnavailable, KeyUnreadable
from tasks.tenants import key_source
from tasks.tenants.admin import StoredTenant
from tasks.tenants.key_cipher import ProviderKeyCipher
from tasks.tenants.key_source import KeySource
from tasks.tenants.tenant import ENCRYPTED

SECONDS = 5.0
AT_ONCE = 16
MOST_NAMED = 3
ANSWER_BYTES = 4096
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
# A key that may speak and not list models is a right key.
RESTRICTED = (
    "missing_permission",
    "insufficient permission",
    "missing scope",
    "missing_scope",
    "insufficient_permission",
)
SOURCE = "correct the reference in the tenants file, or SWITCHBOARD_KEY_SOURCE and what it needs, here and at workers"
REACH = "open the way from the workers' hosts to it: DNS, firewall, proxy; or correct its base_url"


@dataclass(slots=True)
class Target:
    """A provider to ask with one key, and the tables of tenants that have both."""

    provider: str
    request: ProviderRequest
    tables: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        more = f" and {len(self.tables) - MOST_NAMED} more" if len(self.tables) > MOST_NAMED else ""
        return f"{self.provider} at {self.request.host} (for {', '.join(self.tables[:MOST_NAMED])}{more})"


async def providers(installation: Installation) -> AsyncIterator[Finding]:
    """Ask every provider once with each key."""
    stored = await stored_tenants(installation)
    if not stored:
        raise NotChecked("there is no tenant")
    targets, problems = await _targets(installation, stored)
    for problem in problems:
        yield problem
    if not targets and not problems:
        yield ok("no tenant has a provider on another host")
    limit = asyncio.Semaphore(AT_ONCE)

    async def ask(target: Target) -> Finding:
        async with limit:
            return await _ask(installation.http, target)

    asked = [asyncio.create_task(ask(target)) for target in targets]
    try:
        for each in asked:
            yield await each
    finally:
        for each in asked:
            each.cancel()


async def _targets(
    installation: Installation, stored: Mapping[str, StoredTenant]
) -> tuple[list[Target], list[Finding]]:
    """Return each provider with each key, once, and what is wrong with the key source."""
    cipher = ProviderKeyCipher(Encryption(installation.settings))
    targets: dict[tuple[str, str, str], Target] = {}
    problems: list[Finding] = []
    try:
        source = key_source.load(installation.settings)
    except InvalidSetting as problem:
        source = None
        problems.append(error(str(problem), SOURCE))
    for name, tenant in stored.items():
        # A key goes nowhere that `switchboard tenants apply` has not written.
        parsed, _ = parse(name, dict(tenant.record))
        if parsed is None or tenant.signature is SignatureState.BROKEN:
            continue
        # An agent of the tenant's own has providers of its own.
        for path, table in parsed.tables() if parsed.agent is None else ():
            try:
                key = await _key(cipher, source, tenant, name, path, table.key)
                request = request_for(cast("Kind", path.partition(".")[0]), table.provider, table.base_url, key)
            except (DecryptionFailed, KeyError, PipelineError):
                # Other checks say so.
                continue
            except KeyUnreadable as problem:
                # Of a source that cannot be loaded one finding is enough.
                if source is not None or not problems:
                    problems.append(error(str(problem), SOURCE))
                continue
            except KeySourceUnavailable as problem:
                # It is waited for at each key, and the check has a deadline.
                return list(targets.values()), [*problems, error(str(problem), SOURCE)]
            if request is not None:
                identity = (table.provider, request.url, key or "")
                target = targets.setdefault(identity, Target(table.provider, request))
                target.tables.append(f"{name}.{path}")
    return list(targets.values()), problems


async def _key(
    cipher: ProviderKeyCipher,
    source: KeySource | None,
    tenant: StoredTenant,
    name: str,
    path: str,
    reference: str | None,
) -> str | None:
    """Return the key of a table. Raises KeyError, DecryptionFailed, KeyUnreadable or KeySourceUnavailable."""
    if reference is None:
        return None
    if reference.startswith(ENCRYPTED):
        return cipher.decrypt(name, path, tenant.encrypted_keys[path])
    field = f"{path}.key"
    scheme, _, location = reference.partition(":")
    if source is None or source.scheme != scheme:
        problem = f"no key source for {scheme}:…; set SWITCHBOARD_KEY_SOURCE"
        raise KeyUnreadable(tenant=name, field=field, problem=problem)
    return await key_source.read(source, location, tenant=name, field=field)


async def _ask(http: aiohttp.ClientSession, target: Target) -> Finding:
    request = target.request
    try:
        async with http.get(
            request.url,
            headers=request.headers,
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            # A key goes to no other host.
            allow_redirects=False,
        ) as response:
            text = (await response.content.read(ANSWER_BYTES)).decode(errors="replace").lower()
            return judge(target, response.status, text) if request.has_key else ok(f"{target} is reached")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        return error(f"{target} {problem_of(failure)}", REACH)


def judge(target: Target, status: int, text: str) -> Finding:
    """Return what an answer to a request with a key means. `text`: the begin of the answer, in lower case."""
    if any(words in text for words in RESTRICTED):
        return ok(f"{target} knows the key; it may not list models, so only a call shows the rest")
    if status in REFUSED or "api_key_invalid" in text:
        cure = "put a valid key where the tenants file names it, and apply: switchboard tenants apply"
        return error(f"{target} refuses the key ({status})", cure)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return warning(f"{target} refuses more requests for now (429)", "raise the quota of this key")
    if status == HTTPStatus.NOT_FOUND:
        return ok(f"{target} is reached; it does not tell whether the key is right")
    hundreds = status // 100
    return {
        2: ok(f"{target} accepts the key"),
        3: warning(f"{target} is redirected ({status}), as by a proxy that wants a login", REACH),
        5: warning(f"{target} answers with {status}", "see the provider's page on its status; have a fallback"),
    }.get(hundreds, warning(f"{target} answers with {status}; whether the key is right is not told", REACH))
