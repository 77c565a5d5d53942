"""Settings of a worker whose calls neither speak nor hear. Each start of it takes two seconds of CPU less."""

from __future__ import annotations

from types import MappingProxyType

LIGHT = MappingProxyType(
    {
        # Plugins of providers and the models of `local`, which no call of these tests uses.
        "SWITCHBOARD_PRELOAD_EXTRAS": "no-providers",
        # The model of the turn detector, and its sidecar.
        "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",
    }
)
