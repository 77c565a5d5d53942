"""One real installation for all acceptance tests: livekit-server, Redis, receivers, HAProxy, workers."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ops.stack import Binaries, Stack, StackOptions, WorkerSpec
from ops.stack.ports import PortPicker
from tasks.rooms import RoomStore
from tests.acceptance.installation import FRONT_DOOR, TIERS, Installation
from tests.support.key_leaks import leaked_keys
from tests.support.tenants import declare, signer

HERE = Path(__file__).parent
GRACE_SECONDS = 1.0
# Of the tests with providers. The workers that tests add start with less CPU.
FALLBACKS = {"SWITCHBOARD_PRELOAD_EXTRAS": "anthropic,cartesia"}
# Which `switchboard tenants apply` refuses here: what another version, or another configuration, may have applied.
APPLIED_BY_OTHERS = """
[tenants.misspelt]
tier = "premium"
stt = { provider = "whatsper" }

[tenants.keyless]
tier = "premium"
stt = { provider = "deepgram", key = "encrypted:0123456789ab" }

[tenants.untiered]
tier = "gold"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here run on the event loop that the installation lives on."""
    for item in items:
        asynchronous = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
        if asynchronous and HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """The installation, with short limits, so that calls end soon after their callers have left."""
    directory = tmp_path_factory.mktemp("installation")
    # What else this machine does must not decide which test passes.
    load = directory / "load"
    load.write_text("0.1")
    console_port = PortPicker().pick()
    options = StackOptions(
        directory=directory,
        binaries=binaries,
        workers=(
            WorkerSpec("premium", ("premium",), env=FALLBACKS),
            WorkerSpec("standard", ("standard",), env=FALLBACKS),
        ),
        tenants=HERE / "tenants.toml",
        env={
            "SWITCHBOARD_TIERS": TIERS,
            "SWITCHBOARD_MAX_WAIT_SECONDS": "hasty=3",
            "SWITCHBOARD_EMPTY_GRACE_SECONDS": str(GRACE_SECONDS),
            "SWITCHBOARD_JOIN_TIMEOUT_SECONDS": "5",
            "SWITCHBOARD_LOAD_FILE": str(load),
            "SWITCHBOARD_CALL_CORES": "0",
            # Of two tenants, whose tests start a console there.
            "SWITCHBOARD_CONSOLE_URL": f"http://127.0.0.1:{console_port}",
            "SWITCHBOARD_UPLOAD_SECONDS": "5",
            **FRONT_DOOR,
        },
        python_path=(HERE / "agents",),
    )
    async with Stack.start(options) as stack, stack.redis.client() as client:
        workers = signer(secret=stack.livekit.api_secret)
        await declare(client, APPLIED_BY_OTHERS, prune=False, signed_by=workers)
        yield Installation(stack, RoomStore(client), console_port)


@pytest_asyncio.fixture(loop_scope="session")
async def running(installation: Installation) -> AsyncIterator[Installation]:
    """The installation, every call of the test over afterwards, and no key left that would stay for ever."""
    yield installation
    await installation.all_calls_over()
    assert await leaked_keys(installation.rooms.redis) == []
