"""The changes of a migration, in one transaction, through SQLAlchemy and Alembic."""

from functools import partial
from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from perfectcatch.errors import AlreadyRunning, DatabaseUnavailable, SchemaDiffers
from perfectcatch.model.entity import Entity
from perfectcatch.store.names import MIRROR, PUBLIC, SCHEMAS, qualified, quote, split
from perfectcatch.store.pool import Pool
from perfectcatch.store.schema.engine import work
from perfectcatch.store.schema.functions import FUNCTIONS, OWNERS_FUNCTIONS
from perfectcatch.store.schema.gathered import gathered_views
from perfectcatch.store.schema.grow import compress_documents, grow
from perfectcatch.store.schema.views import VIEWS, View

# Waiting for a lock makes everybody behind us wait too: better to give up and be run again.
_LIMITS: Final = "set local lock_timeout = '10s'; set local statement_timeout = '15min'"


def change(where: str | Pool, entities: tuple[Entity, ...]) -> list[str]:
    """Make every change that is missing and give a sentence for each; blocks, so call it in a thread."""
    try:
        return work(where, partial(_change, entities=entities))
    except DatabaseUnavailable as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise AlreadyRunning(
            "a table is in use by a long transaction, so it cannot be changed now: stop the workers, "
            "or wait, and migrate again"
        ) from error


def _change(connection: Connection, entities: tuple[Entity, ...]) -> list[str]:
    """Make every change in one transaction: all of them or none."""
    connection.exec_driver_sql(_LIMITS)
    schemas = sorted({*SCHEMAS, *(split(entity.table)[0] for entity in entities)} - {PUBLIC})
    for schema in schemas:
        connection.exec_driver_sql(f"create schema if not exists {quote(schema)}")
    for function in (*FUNCTIONS, *OWNERS_FUNCTIONS):
        connection.exec_driver_sql(function)
    done = _numbered(connection)
    done += grow(connection, entities)
    done += compress_documents(connection, schemas)
    for view in (*VIEWS, *gathered_views(entities)):
        done += _view(connection, view)
    return done


def _numbered(connection: Connection) -> list[str]:
    """Run the numbered migrations that this database has not seen."""
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(connection, opts={"version_table_schema": MIRROR})
    before = context.get_current_revision()
    try:
        command.upgrade(config, "head")
        ahead = list(script.iterate_revisions(context.get_current_revision(), before))
    except CommandError as error:
        raise SchemaDiffers(
            f"the database is at revision {before}, which this version does not know: "
            "a newer version has migrated it, so run that one"
        ) from error
    return [f"applied migration {each.revision}: {each.doc}" for each in reversed(ahead)]


def _view(connection: Connection, view: View) -> list[str]:
    """Create ``view`` or give it its present meaning; columns of a view can be added but not changed."""
    for needed in view.needs:
        if (
            connection.execute(text("select to_regclass(:name)"), {"name": qualified(needed)}).scalar()
            is None
        ):
            return []
    name = qualified(view.relation)
    existed = connection.execute(text("select to_regclass(:name)"), {"name": name}).scalar() is not None
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"create or replace view {name} as {view.query}")
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InvalidTableDefinition):
            raise
        _drop(connection, view)
        connection.exec_driver_sql(f"create view {name} as {view.query}")
    comment = view.does.replace("'", "''")
    connection.exec_driver_sql(f"comment on view {name} is '{comment}'")
    return [] if existed else [f"created view {view.relation}"]


def _drop(connection: Connection, view: View) -> None:
    try:
        connection.exec_driver_sql(f"drop view {qualified(view.relation)}")
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
            raise
        raise SchemaDiffers(
            f"the view {view.relation} gets other columns, and something that is not ours depends on it: "
            "drop that, migrate, and create it again"
        ) from error
