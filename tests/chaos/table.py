"""The rows."""

from __future__ import annotations

from tests.chaos.scenario import Scenario
from tests.chaos.scenarios import children, workers

SCENARIOS = (
    Scenario("killed-child", children.killed, p50_s=1.5, max_s=3),
    Scenario("remembers", children.remembers, p50_s=1.5, max_s=3),
    Scenario("hung-child", children.hung, p50_s=8, max_s=10),
    Scenario("stopped-child", children.stopped, p50_s=8, max_s=10),
    Scenario("killed-worker", workers.killed, p50_s=8, max_s=10),
    Scenario("only-worker", workers.only_one_killed, p50_s=3, max_s=3),
    Scenario("rolling-restart", workers.restarted_in_turn, p50_s=3, max_s=5),
)
