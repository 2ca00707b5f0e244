"""Sealed columns as a whole: which keys they use, and sealing them anew with the newest."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Table, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from schema.crypto import SealedColumn, key_id_of, keyring
from schema.tables import Base


def keys_in_use(session: Session, column: SealedColumn) -> Mapping[str, int]:
    """How many values each key has sealed, by its id."""
    table, sealed = _sealed(column)
    key_id = _key_id(sealed)
    found = select(key_id, func.count()).where(sealed.is_not(None)).select_from(table).group_by(key_id)
    return {name: count for name, count in session.execute(found)}


def check(session: Session, column: SealedColumn) -> None:
    """Open one value of each key in use.

    Raises:
        BadInput: a key is missing, or another one has its id.
    """
    table, sealed = _sealed(column)
    key_id = _key_id(sealed)
    one_each = select(sealed).select_from(table).where(sealed.is_not(None)).ext(distinct_on(key_id)).order_by(key_id)
    for value in session.scalars(one_each):
        column.open(keyring(), value)


def reseal(session: Session, column: SealedColumn, *, after_id: int, limit: int) -> tuple[int | None, int]:
    """Seal values with the newest key where an older one did, and index them anew where the index key has changed.

    Args:
        session: in a transaction; the rows stay locked until it ends, but for references to them.
        column: which.
        after_id: 0, or the number that the call before gave.
        limit: how many values to look at.

    Returns:
        The number to go on after (None: that was all), and how many were changed.

    Raises:
        BadInput: the keys do not open a value.
    """
    keys = keyring()
    table, sealed = _sealed(column)
    statement = (
        select(table)
        .where(table.c.id > after_id, sealed.is_not(None))
        .order_by(table.c.id)
        .limit(limit)
        .with_for_update(key_share=True)
    )
    rows = session.execute(statement).mappings().all()
    changed = 0
    for row in rows:
        value: bytes = row[column.column]
        wanted: dict[str, Any] = {}
        if column.index is not None:
            index = column.blind_index(keys, column.open(keys, value))
            if index != row[column.index]:
                wanted[column.index] = index
        if key_id_of(value, column=str(column)) != keys.newest:
            wanted[column.column] = column.seal(keys, column.open(keys, value))
        if wanted:
            session.execute(update(table).where(table.c.id == row["id"]).values(wanted))
            changed += 1
    return (rows[-1]["id"] if len(rows) == limit else None), changed


def _sealed(column: SealedColumn) -> tuple[Table, ColumnElement[bytes]]:
    table = Base.metadata.tables[column.table]
    return table, table.c[column.column]


def _key_id(sealed: ColumnElement[bytes]) -> ColumnElement[str]:
    """The id of the key, as ``schema.crypto.keyring`` lays it out."""
    return func.encode(func.substring(sealed, 3, func.get_byte(sealed, 1), type_=LargeBinary), "escape")
