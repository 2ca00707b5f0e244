"""Alembic's entry: migrates over the connection that ``schema.database`` hands in; without one, writes SQL."""

from alembic import context
from sqlalchemy import Connection

from schema.database.comparing import OPTIONS, is_compared
from schema.tables import Base

_connection: Connection | None = context.config.attributes.get("connection")

if _connection is None:
    context.configure(
        dialect_name="postgresql",
        # Any other style would write each percent sign twice.
        dialect_opts={"paramstyle": "named"},
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.execute(context.config.attributes["first"])
        context.run_migrations()
else:
    context.configure(
        connection=_connection,
        target_metadata=Base.metadata,
        include_name=is_compared(_connection),
        transaction_per_migration=False,
        **OPTIONS,
    )
    context.run_migrations()
