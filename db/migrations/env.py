"""Alembic's entry: migrations run on the engine that `db.migrate` hands over."""

from alembic import context
from sqlmodel import SQLModel

from db import tables  # noqa: F401 - fills the metadata

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
