"""Provider faults: each provider fails in each way, with and without a fallback, during real calls (`make faults`).

case       one row of the table: the provider, its fault, with or without a fallback
emulators  the provider emulators of one tenant, and its table in the tenants file
scenario   one call, and what its caller hears
report     the table, as Markdown and JSON
"""
