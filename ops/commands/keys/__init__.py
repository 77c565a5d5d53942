"""`switchboard keys`: API keys of backends, in Redis.

cli        the command line
command    create, list and revoke

`ops.cli` has its command line; the commands are imported when they are run.
"""
