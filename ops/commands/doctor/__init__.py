"""`switchboard doctor`: checks of a whole installation, each with the cure of what it finds.

    command             runs all checks, and prints what they find
    checks              the list of all checks
    check               a check, and the run of all, each with a deadline
    finding             a finding: right, a warning, an error, or not checked
    report              lines, JSON and exit status
    installation        the connections, and the facts that several checks need
    settings            variables that are none, and the settings of the receivers
    redis_connection    Redis answers, and takes a write
    redis_server        version, role, eviction, persistence, memory and clients of Redis
    redis_access        the rights of our user of Redis
    redis_problem       the meaning of Redis' error replies
    livekit_server      the LiveKit server's API key, signalling and version
    clocks              the clocks of all hosts
    webhooks            a webhook arrives
    workers             every tier has a worker
    records             the database, and the writer of records
    notices             the background worker, and backends that are disabled
    recordings          the object store, and the console's uploads
    tenants             the tenants' records, signatures and keys
    providers           every provider is reached, and accepts the keys
    provider_request    the request by which a provider accepts or refuses a key
    connection_problem  the reason why a connection has failed
    host                limits and folders of this host

A check reads and changes nothing, but for one room of its own on the LiveKit server, which no agent answers, the keys
`switchboard:probe` and `switchboard:webhook_check:*` in Redis, and an object `doctor/…` where recordings are kept. Each
has a deadline, and no line shows a secret.
"""
