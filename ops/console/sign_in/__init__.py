"""Sign-in of operators, their roles, and their sessions.

    operators    operators with a password, and their roles
    password     a password's hash, and the command that makes one
    openid       OpenID Connect: operators of a company's own sign-in
    sessions     signed-in operators, in Redis
    attempts     failed passwords, counted, so that none is guessed

A session is a random token in a cookie; Redis has its SHA-256, the operator's name and roles, and its CSRF token, with
a TTL. So several copies of the console share sessions, and each can end one. Roles are those of the settings at each
request: an operator who is no longer in them is signed out.
"""
