"""The errors of the database, each with its cure."""

from __future__ import annotations

from tasks.errors import SwitchboardError


class DatabaseUnavailable(SwitchboardError):
    """The database cannot be used: {error}. Check SWITCHBOARD_DATABASE_URL and that the server is up."""

    retryable = True


class SchemaOutdated(SwitchboardError):
    """The database has the schema {found}, and this version needs {needed}. Run: switchboard database upgrade."""


class SchemaTooNew(SwitchboardError):
    """The database has the schema {found}, which this version does not know; it knows {needed}.

    A newer Switchboard has upgraded it. Deploy that version here too.
    """


class InvalidCursor(SwitchboardError):
    """cursor = {cursor!r} is none that a page has returned. Begin without one."""
