"""`switchboard tenants`: apply a tenants file to Redis, and show what Redis has.

    cli          the command line, which `ops.cli` has
    command      apply, list, show, remove, rotate-keys
    declaration  the tenants file, read and validated as a whole
    validation   every problem with a declared tenant
    notices      the problems of its table `notices`
    problem      a problem in a tenants file: where, and its cure
    key_values   provider keys, read from the locations that the file names
    plan         changes to Redis that a file asks for, and how they are printed
    rotation     keys encrypted, and records signed, again with the first encryption key

Everything is validated before anything is changed.
"""
