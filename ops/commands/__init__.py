"""The commands of `switchboard` for a running installation.

    ps            the rooms and the workers
    drain         drain a worker
    dead_letters  list, show and replay dead letters
    notices       list, show, resend and test the notices to tenants' backends
    doctor/       check the whole installation
    probe/        call a tenant as a caller does
    tenants/      apply the tenants file, and show what Redis has
    terminal      output on a terminal or into a pipe

`ops.cli` imports each command when it is run.
"""
