"""The version of the schema, and its upgrade by alembic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from tasks.records.errors import SchemaOutdated, SchemaTooNew

MIGRATIONS = Path(__file__).parent / "migrations"
NONE = "(none)"
VERSION_TABLE = "switchboard_schema"
LOCK = 0x73776974
"""The number of the lock in PostgreSQL that one upgrade holds."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The version that the database has, "" for none, and the one that this Switchboard needs."""

    found: str
    needed: str
    known: bool

    @property
    def is_current(self) -> bool:
        """True if they are the same."""
        return self.found == self.needed


def version(connection: Connection) -> str:
    """Return the version of the database's schema, "" if it has none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision() or ""


def status(found: str) -> SchemaStatus:
    """Return the status of a schema of this version."""
    return SchemaStatus(found, _versions()[0], known=found in {"", *_versions()})


def check(found: str) -> None:
    """Raise SchemaOutdated or SchemaTooNew if a database of this version cannot be used."""
    schema = status(found)
    if schema.is_current:
        return
    raise (SchemaOutdated if schema.known else SchemaTooNew)(found=found or NONE, needed=schema.needed)


def upgrade(connection: Connection) -> None:
    """Upgrade the schema to the version that is needed, in the connection's transaction. Raises SchemaTooNew."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    found = version(connection)
    if not status(found).known:
        check(found)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@cache
def _versions() -> tuple[str, ...]:
    """Return all versions, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
