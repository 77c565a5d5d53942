"""All scenarios, with their limits."""

from __future__ import annotations

from tests.chaos.network import two_hosts
from tests.chaos.scenario import Scenario
from tests.chaos.scenarios import children, networks, receivers, servers, webhooks, workers

SCENARIOS = (
    Scenario("killed-child", children.killed, p50_s=1.5, max_s=3),
    Scenario("conversation-kept", children.conversation_kept, p50_s=1.5, max_s=3),
    # The pause itself, and the queue of sound that runs dry later than it begins.
    Scenario("blocked-for-a-while", children.blocked_for_a_while, p50_s=9, max_s=9),
    # SWITCHBOARD_HANG_SECONDS, 15 s, and 3 s to notice it and for the next attempt.
    Scenario("blocked-for-good", children.blocked_for_good, p50_s=18, max_s=18),
    Scenario("paused-child", children.paused, p50_s=8, max_s=10),
    Scenario("killed-worker", workers.killed, p50_s=8, max_s=10),
    Scenario("only-worker", workers.only_one_killed, p50_s=3, max_s=3),
    Scenario("rolling-restart", workers.rolling_restart, p50_s=3, max_s=5),
    # The agent goes on speaking: the limit is for silence.
    Scenario("redis-restarted", servers.redis_restarted, p50_s=1, max_s=1),
    Scenario("redis-paused", servers.redis_paused, p50_s=1, max_s=1),
    Scenario("redis-clients-killed", servers.redis_clients_killed, p50_s=1, max_s=1),
    Scenario("receivers-down", receivers.down, p50_s=5, max_s=5),
    # The TTL of the leadership, 3 s, the next leader's tick, 1 s, and 3 s for the call. The lease has expired by then.
    Scenario("leader-killed", receivers.leader_killed, p50_s=7, max_s=7),
    Scenario("leader-paused", receivers.leader_paused, p50_s=7, max_s=7),
    Scenario("livekit-restarted", servers.livekit_restarted, p50_s=10, max_s=10),
    # A lost webhook is made good by the next sync with the LiveKit server: 2 s, up to 4 s more, and 2 s for the call.
    Scenario("webhooks-shuffled", webhooks.shuffled, p50_s=8, max_s=8),
    Scenario("cut-network", networks.cut, p50_s=8, max_s=10, start=two_hosts),
    Scenario("livekit-cut", networks.livekit_cut, p50_s=12, max_s=12, start=two_hosts),
    Scenario("livekit-cut-for-good", networks.livekit_cut_for_good, p50_s=12, max_s=12, start=two_hosts),
)
