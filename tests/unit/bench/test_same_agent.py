"""Both sides run the same agent with the same options."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ops.stack.livekit import LiveKitServer
from pipeline.options import Secret
from pipeline.providers import build_llm, build_stt, build_tts
from pipeline.voice_agent import entrypoint
from pipeline.voice_agent.session import build_turn_handling, build_vad
from tasks.call.options import voice_agent_options
from tasks.tenants import Tenant
from tests.bench.agents import plain
from tests.bench.agents.front_desk import options, server
from tests.bench.providers import KEY, LOCAL_TABLES, QUESTION, REPLY, Providers, cloud_tables
from tests.bench.side import THRESHOLD, Conditions, threshold
from tests.provider_emulators.process import EmulatorProcess
from tests.support.livekit_server import LiveKitServerWithoutWebhooks


@pytest.mark.parametrize("providers", list(Providers))
@pytest.mark.parametrize("name", ["bench", "bench-recorded"])
def test_the_options_of_the_tenant_are_those_of_the_front_desk(
    providers: Providers, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulators = EmulatorProcess(tmp_path, phrase=QUESTION, reply=REPLY)
    tables = LOCAL_TABLES if providers is Providers.LOCAL else cloud_tables(emulators)
    tenants = tomllib.loads(tables.tenants_file(tmp_path).read_text("utf-8"))["tenants"]
    tenant = Tenant.model_validate({"id": name, **tenants[name]})
    keys: dict[str, Secret] = {kind: Secret(KEY) for kind in tables.tables if tables.emulators}
    monkeypatch.setenv("BENCH_PROVIDERS", tables.for_agents())
    monkeypatch.setenv("BENCH_PROVIDER_KEY", KEY)
    assert voice_agent_options(tenant, keys) == options()


def test_the_plain_agent_has_the_plugins_and_the_settings_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = cloud_tables(EmulatorProcess(tmp_path, phrase=QUESTION, reply=REPLY))
    monkeypatch.setenv("BENCH_PROVIDERS", tables.for_agents())
    monkeypatch.setenv("BENCH_PROVIDER_KEY", KEY)
    voice = options()
    agent: Any = plain.FrontDesk()
    turns: list[dict[str, Any]] = [dict(each) for each in (plain.turn_handling(), build_turn_handling(voice.turn))]
    detectors = [each.pop("turn_detection") for each in turns]
    assert turns[0] == turns[1]
    assert type(detectors[0]) is type(detectors[1])
    assert (voice.instructions, voice.greeting) == (plain.INSTRUCTIONS, plain.GREETING)
    vad: Any = build_vad(voice.vad)
    assert agent.vad._opts == vad._opts
    stt: Any = build_stt(voice.stt)
    assert agent.stt._opts == stt._opts
    plugins: list[tuple[Any, Any]] = [
        (agent.stt, stt),
        (agent.llm, build_llm(voice.llm)),
        (agent.tts, build_tts(voice.tts)),
    ]
    for theirs, ours in plugins:
        assert type(theirs) is type(ours)
        assert theirs.model == ours.model


def test_the_front_desk_runs_the_entrypoint_that_our_worker_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PORT", "0")
    monkeypatch.setenv("BENCH_THRESHOLD", threshold(Conditions(), float("inf")))
    made = server()
    assert made._entrypoint_fnc is entrypoint
    assert made._load_threshold == THRESHOLD


def test_without_shedding_there_is_no_threshold() -> None:
    assert float(threshold(Conditions(shedding=False), float("inf"))) == float("inf")


def test_the_servers_differ_in_their_webhooks_alone(tmp_path: object) -> None:
    ports = {"port": 1, "tcp_port": 2, "udp_port": 3, "binary": "", "webhook_url": "http://127.0.0.1:4"}
    kinds = (LiveKitServer, LiveKitServerWithoutWebhooks)
    ours, builtin = (kind(tmp_path, {}, **ports).configuration() for kind in kinds)  # type: ignore[arg-type]
    del ours["webhook"], ours["keys"], builtin["keys"]
    assert json.dumps(ours) == json.dumps(builtin)
