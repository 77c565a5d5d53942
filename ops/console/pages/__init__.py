"""The pages, a module for each.

    sign_in       sign in, with a password or by OpenID Connect, and sign out
    now           *Now*: calls, callers who wait and workers, live, and what can be done with them
    calls         *Calls*: a search in the records
    call          *a call*: its whole story, with its audio
    tenants       *Tenants*: limits, usage, providers and their failures
    dead_letters  *Dead letters*: rooms that could not be answered, and their replay
    notices       *Notices*: what tenants' backends were told, sent again, and tests
    trial         *Try a call*: talk to a tenant's agent in the browser
    audit_log     *Audit*: who did, saw or heard what

Each asks for its role by `ops.console.context.visit`, and answers htmx with the panel in front of the open page.
"""
