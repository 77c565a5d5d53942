"""The pages, a module for each.

sign_in     sign in, with a password or by OpenID Connect, and sign out
now         *Now*: calls, callers who wait and workers, live, and what can be done with them
"""
