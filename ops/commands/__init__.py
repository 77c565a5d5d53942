"""The commands of `switchboard` for a running installation.

    ps            the rooms and the workers
    drain         drain a worker
    records       write the records of calls into the database
    database      upgrade the schema of the database, or show it
    dead_letters  list, show and replay dead letters
    notices/      list, show, resend and test the notices to tenants' backends
    doctor/       check the whole installation
    probe/        call a tenant as a caller does
    calls/        list calls, show one, say why one waits; end, move or erase one
    keys/         API keys of backends
    tenants/      apply the tenants file, and show what Redis has
    usage         the usage of a month
    running       the run of a command, and its exit status
    terminal      output on a terminal or into a pipe

`ops.cli` imports each command when it is run.
"""
