"""`switchboard demo`: a whole installation on this machine, and real calls to it.

    command       from the options to the exit status
    options       the options of the command
    tenants       the tenants of the demo
    call          one call, from the token to the result
    conversation  the caller's side of a call
    dialogue      the caller's sentences, and the answers it may get
    steps         a room's steps, followed through Redis
    result        the result of one call
    narrator      progress on the terminal
    report        the tables at the end
    invitation    a link to the console's page *Try a call*

The processes are those of `ops.stack`, the callers those of `ops.caller`.
"""
