"""Alembic loads this file for every run; the connection and its transaction come from ``migrate.py``."""

from alembic import context

from resources.postgres.tables import METADATA, SCHEMA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    version_table_schema=SCHEMA,
    transactional_ddl=True,
)
context.run_migrations()
