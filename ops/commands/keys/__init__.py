"""`switchboard keys`: API keys of backends, in Redis.

    cli        the command line, which `ops.cli` has
    command    create, list and revoke

The commands are imported when they are run.
"""
