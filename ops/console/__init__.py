"""The console: pages for operators, `uvicorn --factory ops.console.app:create_app`.

    app         create_app: the pages together, their connections, error pages
    pages/      the pages, a module for each
    context     the parts of a running console, and the sign-in that each page asks for
    links       signed links: the contents of notices, and audio for backends
    now/        the live view of calls and workers
    sign_in/    operators, roles, passwords, OpenID Connect, sessions
    story/      all that is known of a call, on one timeline
    audit       who did, saw or heard what
    tenant_list  the tenants that are declared, without their keys
    provider_failures  failures of providers, by tenant
    stopping    the stop of the process, told before open connections are waited for
    security    headers of each response, and the check of forms
    rendering   templates, their filters, and addresses of static files
    errors      errors that an operator reads
    keys        names of the Redis keys
    uploads/    what agents upload of their calls
    templates/  the pages and their parts, in HTML
    static/     style, scripts, and `vendor/`: packages of npm
    vendored    `python -m ops.console.vendored`: the packages of npm, downloaded and compared

Pages are rendered here; a browser needs no other server, but for LiveKit's while an operator tries a call. What a page
does is a form with the token of its session. Without scripts all pages but *Try a call* work, and show what was so when
they were loaded.
"""
