"""The commands of `switchboard` that read or change Redis.

    ps            the rooms and the workers
    drain         drain a worker
    dead_letters  list, show and replay dead letters
    tenants/      apply the tenants file, and show what Redis has
    terminal      output on a terminal or into a pipe

`ops.cli` imports each command when it is run.
"""
