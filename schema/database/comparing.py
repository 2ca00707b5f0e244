"""How the tables of a database are compared with the models."""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from schema.tables import Base

OPTIONS: Final[dict[str, Any]] = {"compare_server_default": True}


def is_compared(connection: Connection) -> Callable[[str | None, str, MutableMapping[Any, Any]], bool]:
    """A filter of names as Alembic takes it: without partitions, which are made as time goes by, not by migrations."""
    partitions = set(connection.scalars(text("select relname from pg_class where relispartition")))

    def is_ours(name: str | None, kind: str, _parents: MutableMapping[Any, Any]) -> bool:
        return not (kind == "table" and name in partitions)

    return is_ours


def differences(connection: Connection) -> tuple[str, ...]:
    """What would have to be done to the tables to make them what the models say."""
    options = {"include_name": is_compared(connection), "target_metadata": Base.metadata, **OPTIONS}
    context = MigrationContext.configure(connection, opts=options)
    return tuple(_said(found) for found in compare_metadata(context, Base.metadata))


def _said(found: Any) -> str:
    """One difference in a few words: changes of a column come as a list of tuples, others as one tuple."""
    step = found[0] if isinstance(found, list) else found
    kind, *what = step
    names = [part if isinstance(part, str) else getattr(part, "name", None) for part in what[:3]]
    return f"{kind.replace('_', ' ')} {'.'.join(name for name in names if name)}"
