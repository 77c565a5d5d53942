"""Both sides run the same agent with the same options."""

from __future__ import annotations

import json
import tomllib

import pytest

from ops.stack.livekit import LiveKitServer
from pipeline.voice_agent import entrypoint
from tasks.call.options import voice_agent_options
from tasks.tenants import Tenant
from tests.bench.agents.front_desk import FRONT_DESK, server
from tests.bench.ours import TENANTS
from tests.bench.side import THRESHOLD, Conditions, threshold
from tests.support.livekit_server import LiveKitServerWithoutWebhooks


def test_the_options_of_the_tenant_are_those_of_the_front_desk() -> None:
    tables = tomllib.loads(TENANTS.read_text("utf-8"))["tenants"]
    assert voice_agent_options(Tenant.model_validate({"id": "bench", **tables["bench"]}), {}) == FRONT_DESK


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
