"""`switchboard calls`: the calls of an installation, and requests about one.

    cli          the command line, which `ops.cli` has
    lookup       a room that an operator names, as Redis has it
    why          why a call waits
    operations   end, move

The commands are imported when they are run.
"""
