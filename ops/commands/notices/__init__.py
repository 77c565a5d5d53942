"""`switchboard notices`: the notices to tenants' backends.

    cli        the command line, which `ops.cli` has
    command    list, show, resend, test and backends

The commands are imported when they are run.
"""
