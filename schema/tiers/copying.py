"""Rows from PostgreSQL as Arrow tables: by COPY as CSV, which both sides do fast and without loss."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pyarrow as pa
from psycopg import Cursor
from pyarrow import csv
from sqlalchemy import Connection, TextClause

from schema.database import unavailable_as_retryable


def fetch(connection: Connection, query: TextClause, values: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """Run a query, or a DELETE with RETURNING, and take its rows.

    Args:
        connection: in a transaction.
        query: its columns must be those of ``schema``, in that order.
        values: by name.
        schema: the columns' names and types; times are of type ``schema.tiers.kinds.TIME``.

    Raises:
        StoreUnavailable: PostgreSQL gave up for now.
    """
    text = BytesIO()
    command = f"copy ({query.compile(dialect=connection.dialect)}) to stdout (format csv)"
    with unavailable_as_retryable(connection.engine), _cursor(connection) as cursor:
        # Times are written out as they are read back: in UTC, to the microsecond.
        cursor.execute("select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true)")
        with cursor.copy(command.encode(), values) as copy:
            for piece in copy:
                text.write(piece)
    if not text.tell():
        return schema.empty_table()
    text.seek(0)
    return csv.read_csv(
        text,
        read_options=csv.ReadOptions(column_names=schema.names, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _cursor(connection: Connection) -> Cursor[Any]:
    return connection.connection.cursor()  # pyright: ignore[reportReturnType] - psycopg's own, as the dialect says
