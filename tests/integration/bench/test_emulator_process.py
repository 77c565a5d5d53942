"""The provider emulators as a process of their own."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from tests.bench.processes import Tree
from tests.bench.providers import KEY, QUESTION, REPLY, Providers, start_providers


async def test_the_emulators_answer_in_a_process_of_their_own_whose_cpu_can_be_read(tmp_path: Path) -> None:
    async with start_providers(Providers.CLOUD, tmp_path) as providers, aiohttp.ClientSession() as client:
        assert providers.emulators is not None
        asked = {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
        address = f"{providers.tables['llm']['base_url']}/chat/completions"
        async with client.post(address, json=asked, headers={"Authorization": f"Bearer {KEY}"}) as answer:
            answered = await answer.text()
        cpu_seconds = Tree([providers.emulators.pid]).cpu_seconds()
    assert all(word in answered for word in REPLY.split())
    assert cpu_seconds > 0
    assert not providers.emulators.running


async def test_local_providers_need_no_process(tmp_path: Path) -> None:
    async with start_providers(Providers.LOCAL, tmp_path) as providers:
        assert providers.emulators is None
