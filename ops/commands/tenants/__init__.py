"""`switchboard tenants`: what a file declares becomes what Redis has.

declaration   the file, read and checked as a whole
check         what is wrong with a tenant, all of it
key_values    the values of keys, from where the file says they are
plan          what would change in Redis, and how it is shown
command       apply, list, show, remove, rotate-keys
"""
