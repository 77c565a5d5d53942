"""The rows."""

from __future__ import annotations

from tests.chaos.network import two_hosts
from tests.chaos.scenario import Scenario
from tests.chaos.scenarios import children, networks, receivers, servers, webhooks, workers

SCENARIOS = (
    Scenario("killed-child", children.killed, p50_s=1.5, max_s=3),
    Scenario("remembers", children.remembers, p50_s=1.5, max_s=3),
    Scenario("hung-child", children.hung, p50_s=8, max_s=10),
    Scenario("stopped-child", children.stopped, p50_s=8, max_s=10),
    Scenario("killed-worker", workers.killed, p50_s=8, max_s=10),
    Scenario("only-worker", workers.only_one_killed, p50_s=3, max_s=3),
    Scenario("rolling-restart", workers.restarted_in_turn, p50_s=3, max_s=5),
    # The agent goes on talking: so long may the caller hear nothing.
    Scenario("redis-restarted", servers.redis_restarted, p50_s=1, max_s=1),
    Scenario("redis-stopped", servers.redis_stopped, p50_s=1, max_s=1),
    Scenario("redis-clients-killed", servers.redis_clients_killed, p50_s=1, max_s=1),
    Scenario("receivers-down", receivers.down, p50_s=5, max_s=5),
    # The term of the lead, 3 s, the next leader's tick, 1 s, and 3 s. Until then the lease has ended, too.
    Scenario("leader-killed", receivers.leader_killed, p50_s=7, max_s=7),
    Scenario("leader-stopped", receivers.leader_stopped, p50_s=7, max_s=7),
    Scenario("livekit-restarted", servers.livekit_restarted, p50_s=10, max_s=10),
    # What is in no webhook is seen by the next look at the LiveKit server: 2 s, up to 4 s more, and the answer.
    Scenario("webhook-storm", webhooks.storm, p50_s=8, max_s=8),
    Scenario("cut-network", networks.cut, p50_s=8, max_s=10, on=two_hosts),
)
