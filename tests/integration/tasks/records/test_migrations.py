"""The schema: its upgrade, and what is said of a database that has another one."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import Connection, inspect, text

from ops.cli import main
from tasks.records import CallFilter, Database, DatabaseUnavailable, RecordStore, SchemaOutdated, SchemaTooNew
from tasks.records import schema as schemas
from tasks.records.database import create_engine, schema_status, upgrade
from tasks.records.models import Base
from tasks.settings import DatabaseSettings
from tests.support.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseSettings:
    """A database without a schema, or a file that is not there."""
    if request.param == "sqlite":
        return of(f"sqlite:///{tmp_path / 'new folder' / '50%.db'}")
    server: Postgres = request.getfixturevalue("postgres")
    return of(server.create_database())


def of(url: str) -> DatabaseSettings:
    return DatabaseSettings.read({"SWITCHBOARD_DATABASE_URL": url})


async def in_database(settings: DatabaseSettings, statement: str) -> None:
    engine = create_engine(settings.url.get_secret_value())
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"version_table": schemas.VERSION_TABLE})
    return list(compare_metadata(context, Base.metadata))


async def test_the_migrations_make_the_tables_of_the_models(empty: DatabaseSettings) -> None:
    await upgrade(empty)
    engine = create_engine(empty.url.get_secret_value())
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    await engine.dispose()
    assert set(tables) == {*Base.metadata.tables, schemas.VERSION_TABLE}


async def test_several_upgrades_at_once_are_one(empty: DatabaseSettings) -> None:
    await asyncio.gather(*(upgrade(empty) for _ in range(4)))
    assert (await schema_status(empty)).is_current


async def test_an_upgrade_that_fails_leaves_nothing(empty: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("half way")

    with monkeypatch.context() as broken:
        broken.setattr("alembic.operations.Operations.create_index", fails)
        with pytest.raises(KeyError):
            await upgrade(empty)
    assert (await schema_status(empty)).found == ""
    await upgrade(empty)
    assert (await schema_status(empty)).is_current


async def test_an_older_schema_and_a_newer_one_are_named_with_the_cure(empty: DatabaseSettings) -> None:
    await upgrade(empty)
    await in_database(empty, "DELETE FROM switchboard_schema")
    async with Database.open(empty) as database:
        with pytest.raises(SchemaOutdated, match=r"schema \(none\).*Run: switchboard database upgrade"):
            await RecordStore(database).list_calls()
        await in_database(empty, "INSERT INTO switchboard_schema VALUES ('9999')")
        with pytest.raises(SchemaTooNew, match=r"schema 9999.*Deploy that version here too"):
            await RecordStore(database).list_calls()
        with pytest.raises(SchemaTooNew):
            await upgrade(empty)


async def test_a_process_goes_on_once_its_database_was_upgraded(empty: DatabaseSettings) -> None:
    async with Database.open(empty) as database:
        with pytest.raises((SchemaOutdated, DatabaseUnavailable)):
            await RecordStore(database).list_calls()
        await upgrade(empty)
        assert (await RecordStore(database).list_calls(CallFilter())).calls == ()


async def test_a_query_does_not_create_a_file(tmp_path: Path) -> None:
    async with Database.open(of(f"sqlite:///{tmp_path / 'records.db'}")) as database:
        with pytest.raises(DatabaseUnavailable, match=r"there is no file .* run: switchboard database upgrade"):
            await RecordStore(database).list_calls()
    assert not (tmp_path / "records.db").exists()


async def test_a_new_file_is_for_its_user_alone(tmp_path: Path) -> None:
    await upgrade(of(f"sqlite:///{tmp_path / 'folder' / 'records.db'}"))
    paths = (tmp_path / "folder", tmp_path / "folder/records.db")
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o600]


async def test_a_server_that_is_away_is_said_without_its_password() -> None:
    async with Database.open(of("postgresql://me:hidden@127.0.0.1:1/records")) as database:
        with pytest.raises(DatabaseUnavailable, match="SWITCHBOARD_DATABASE_URL") as caught:
            await RecordStore(database).list_calls()
    assert "hidden" not in str(caught.value)


def test_the_commands_say_what_the_schema_is_and_change_it(empty: DatabaseSettings) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        environment = {"SWITCHBOARD_DATABASE_URL": empty.url.get_secret_value()}
        done = CliRunner().invoke(main, ["database", *arguments], env=environment)
        return done.exit_code, done.output.strip()

    needed = schemas.status("").needed
    expected = f"the schema is (none), needed is {needed}; run: switchboard database upgrade"
    assert run("status") == (2, expected)
    assert run("upgrade") == (0, f"the schema was (none) and is {needed}")
    assert run("status") == (0, f"the schema is {needed}, needed is {needed}")
    assert run("upgrade") == (0, f"the schema is {needed} already")
    code, output = run("status", "--json")
    assert (code, json.loads(output)) == (0, {"found": needed, "needed": needed, "cure": ""})
