"""The schema's versions, for alembic. `switchboard database upgrade` applies those that are missing.

    env         the environment that alembic runs, on the connection that `tasks.records.schema` gives it
    versions/   the migrations, in the order of their numbers

A change of `tasks.records.models` needs a migration here; a test compares the two. A migration only adds: processes of
the version before it go on during an upgrade.
"""
