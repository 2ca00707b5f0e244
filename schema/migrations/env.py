"""Alembic's entry: compares and migrates over the connection that ``schema.database`` hands in."""

from collections.abc import MutableMapping
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from schema.tables import Base

_connection: Connection = context.config.attributes["connection"]


def _partitions() -> set[str]:
    return set(_connection.scalars(text("select relname from pg_class where relispartition and relkind in ('r', 'p')")))


_ours = _partitions()


def _include_name(name: str | None, kind: str, _parents: MutableMapping[Any, Any]) -> bool:
    """Leave out partitions: they are made as months come, not by migrations."""
    return not (kind == "table" and name in _ours)


context.configure(
    connection=_connection,
    target_metadata=Base.metadata,
    include_name=_include_name,
    compare_server_default=True,
    transaction_per_migration=False,
)
context.run_migrations()
