"""How Alembic reaches the database: on the connection of ``store.migrate``, which holds the lock."""

from alembic import context

from perfectcatch.store.names import MIRROR
from perfectcatch.store.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=MIRROR,
    include_schemas=True,
    transaction_per_migration=False,
)
context.run_migrations()
