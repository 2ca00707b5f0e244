"""DuckDB in this process: SQL over Arrow tables, without copying them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def over(given: pa.Table) -> Iterator[DuckDBPyConnection]:
    """A connection of one's own to which the table is known as ``given``; times come in UTC."""
    with _database().cursor() as cursor:
        cursor.execute("set timezone = 'UTC'")
        cursor.register("given", given)
        yield cursor


@cache
def _database() -> DuckDBPyConnection:
    """Making one takes longer than most queries. One thread: whoever counts people needs the other cores."""
    # Imported by whoever asks: beside Ray it fills the last screen of every command with what it did not free.
    import duckdb

    return duckdb.connect(config={"threads": 1})
