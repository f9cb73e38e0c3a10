"""Alembic's environment: runs the migrations on the connection that the store passes in.

Only `collector.store` runs it, in one transaction under the store's lock.
"""

from alembic import context

from collector.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
