"""An installation that has all that it needs, for the doctor to examine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from ops.commands.doctor import check
from ops.commands.doctor.checks import CHECKS
from ops.commands.doctor.finding import Finding, State
from ops.commands.doctor.installation import Installation
from ops.commands.doctor.webhooks import webhooks
from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from tasks.settings import Settings
from tests.provider_emulators.openai import OpenAIEmulator
from tests.support.key_leaks import leaked_keys
from tests.support.light_worker import LIGHT
from tests.support.waiting import until

KEY = "the-key-of-acme-which-nobody-may-read"
WEBHOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Healthy:
    """An installation that has all that it needs, and what a test breaks of it."""

    stack: Stack
    env: Mapping[str, str]
    redis: Redis
    provider: OpenAIEmulator

    async def examine(self, **changed: str) -> dict[str, tuple[Finding, ...]]:
        """The findings of each check, with these variables instead of the healthy ones."""
        settings = Settings.read({**self.env, **changed})
        async with Installation.open(settings, webhook_seconds=WEBHOOK_SECONDS) as installation:
            return {each.check: each.findings async for each in check.run(CHECKS, installation)}

    async def find_webhook(self, url: str, **changed: str) -> Finding:
        """The finding of the check of webhooks, told this address of the receivers."""
        settings = Settings.read({**self.env, **changed})
        async with Installation.open(settings, webhook_seconds=1.0, webhook_url=url) as installation:
            return await anext(webhooks(installation))


def wrong(examined: Mapping[str, tuple[Finding, ...]]) -> dict[str, Finding]:
    """The first finding of each check that is not ok."""
    return {
        name: finding
        for name, findings in examined.items()
        for finding in reversed(findings)
        if finding.state is not State.OK
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def healthy(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Healthy]:
    directory = tmp_path_factory.mktemp("doctor")
    (directory / "load").write_text("0.1")
    (directory / "key").write_text(KEY)
    provider = OpenAIEmulator(reply="Hello.")
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(provider.serve())
        tenants = directory / "tenants.toml"
        llm = f'provider = "openai"\nmodel = "m"\nbase_url = "{provider.url}"\nkey = "file:{directory / "key"}"'
        tenants.write_text(
            f'[tenants.acme]\ntier = "premium"\n[tenants.acme.llm]\n{llm}\n[tenants.bolt]\ntier = "free"\n'
        )
        options = StackOptions(
            directory=directory,
            binaries=binaries,
            workers=(WorkerSpec("one", ("premium", "free"), slots=1),),
            receivers=1,
            tenants=tenants,
            env={
                **LIGHT,
                "SWITCHBOARD_TIERS": "premium,free",
                "SWITCHBOARD_LOAD_FILE": str(directory / "load"),
                "SWITCHBOARD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
                "SWITCHBOARD_SLOTS": "1",
            },
            redis_append_only=True,
        )
        stack = await closing.enter_async_context(Stack.start(options))
        redis = await closing.enter_async_context(stack.redis.client())
        installation = Healthy(stack, stack.env, redis, provider)

        async def idle() -> bool:
            return bool(stack.workers) and not wrong({"workers": (await installation.examine())["workers"]})

        await until(idle)
        yield installation
        assert await leaked_keys(redis) == []
