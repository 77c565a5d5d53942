"""The list of all checks, in the order in which they are shown."""

from __future__ import annotations

from ops.commands.doctor import (
    clocks,
    host,
    livekit_server,
    notices,
    providers,
    recordings,
    records,
    redis_access,
    redis_connection,
    redis_server,
    settings,
    tenants,
    webhooks,
    workers,
)
from ops.commands.doctor.check import Check

PROVIDERS_SECONDS = 60.0
"""For many tenants, each of whose providers has a deadline of its own."""

CHECKS = (
    Check("settings", settings.settings),
    Check("redis", redis_connection.answers),
    Check("redis writes", redis_connection.writes),
    Check("redis version", redis_server.version),
    Check("redis role", redis_server.role),
    Check("redis eviction", redis_server.eviction),
    Check("redis persistence", redis_server.persistence),
    Check("redis memory", redis_server.memory),
    Check("redis clients", redis_server.clients),
    Check("redis access", redis_access.access),
    Check("livekit", livekit_server.key),
    Check("livekit signalling", livekit_server.signalling),
    Check("clocks", clocks.clocks, seconds=30.0),
    Check("webhooks", webhooks.webhooks, seconds=30.0),
    Check("receivers", settings.receivers),
    Check("workers", workers.workers),
    Check("tenants", tenants.tenants),
    Check("encryption", tenants.encryption),
    Check("providers", providers.providers, seconds=PROVIDERS_SECONDS),
    Check("database", records.database, seconds=20.0),
    Check("records", records.records),
    Check("notices", notices.notices),
    Check("recordings", recordings.store),
    Check("uploads", recordings.uploads),
    Check("open files", host.open_files),
    Check("temporary folder", host.temporary_folder),
    Check("shared memory", host.shared_memory),
    Check("memory", host.memory),
)
