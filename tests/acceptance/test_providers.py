"""Whole calls over the providers' real protocols, by unmodified plugins in an unmodified worker."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ops.caller.caller import Caller
from pipeline.providers.local.script import spoken_sentences
from pipeline.providers.local.sphinx import recognise
from tasks.rooms import State
from tests.acceptance.installation import ANSWER_SECONDS, Installation
from tests.acceptance.speech import ADDRESS, WEEKEND, utterance
from tests.provider_faults.emulators import QUESTION, TenantProviders, tenant_providers

ANSWERS = {
    "north": "No, we are closed on the weekend.",
    "south": "We are at twelve Market Street, next to the train station.",
}


async def ask(caller: Caller) -> str:
    """What the caller hears in answer to the question."""
    await caller.wait_for_answer(0, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    asked = await caller.say(utterance(QUESTION))
    await caller.wait_for_answer(asked.end, quiet_seconds=1.0, timeout_seconds=ANSWER_SECONDS)
    heard = caller.listener.render(caller.clock.now())[round(asked.end * caller.listener.rate) :]
    return " ".join(await asyncio.to_thread(recognise, heard.tobytes(), spoken_sentences(list(ANSWERS.values()))))


def asked_as(tenant: TenantProviders, name: str) -> None:
    """Each of its servers was asked with this tenant's key, model and voice, and with no other."""
    for server in (tenant.deepgram, tenant.openai, tenant.elevenlabs):
        assert {request.key for request in server.requests} == {f"a-key-of-{name}"}
    assert {request.fields["model"] for request in tenant.deepgram.requests} == {f"nova-3-{name}"}
    assert {request.fields["model"] for request in tenant.openai.requests} == {f"gpt-{name}"}
    spoken = {(request.fields["model_id"], request.fields["voice"]) for request in tenant.elevenlabs.requests}
    assert spoken == {(f"eleven-{name}", f"voice-of-{name}")}
    assert tenant.flux.requests + tenant.anthropic.requests + tenant.cartesia.requests == []


async def test_two_tenants_at_once_use_their_own_keys_models_and_voices(running: Installation, tmp_path: Path) -> None:
    async with (
        tenant_providers(tmp_path, "north", ANSWERS["north"]) as north,
        tenant_providers(tmp_path, "south", ANSWERS["south"]) as south,
    ):
        tables = [
            tenant.table(name, tier, model=name, voice=f"voice-of-{name}")
            for tenant, name, tier in ((north, "north", "premium"), (south, "south", "standard"))
        ]
        async with running.more_tenants("".join(tables)):
            async with running.call("north") as one, running.call("south") as two:
                heard = await asyncio.gather(ask(one), ask(two))
                sids = (one.room_sid, two.room_sid)
            assert list(heard) == [WEEKEND, ADDRESS]
            for sid in sids:
                await running.reaches(sid, State.ENDED)
        asked_as(north, "north")
        asked_as(south, "south")
    logs = [worker.log.read_text() for worker in running.stack.workers.values()]
    assert not [log for log in logs if "a-key-of-" in log]
