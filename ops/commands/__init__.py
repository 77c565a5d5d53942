"""The commands of `switchboard` for a running installation.

    ps            the rooms and the workers
    drain         drain a worker
    records       write the records of calls into the database
    database      upgrade the schema of the database, or show it
    dead_letters  list, show and replay dead letters
    doctor/       check the whole installation
    probe/        call a tenant as a caller does
    calls/        why a call waits; end or move one
    keys/         API keys of backends
    tenants/      apply the tenants file, and show what Redis has
    terminal      output on a terminal or into a pipe

`ops.cli` imports each command when it is run.
"""
