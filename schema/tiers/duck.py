"""DuckDB in this process: SQL over Arrow tables, without copying them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb
import pyarrow as pa


@contextmanager
def over(given: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of one's own to which the table is known as ``given``; times come in UTC."""
    with _database().cursor() as cursor:
        cursor.execute("set timezone = 'UTC'")
        cursor.register("given", given)
        yield cursor


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Making one takes longer than most queries. One thread: whoever counts people needs the other cores."""
    return duckdb.connect(config={"threads": 1})
