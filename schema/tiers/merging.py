"""Rows of one kind from several places as one table: sorted, and each once."""

from collections.abc import Sequence

import pyarrow as pa

from schema.tiers.duck import over
from schema.tiers.kinds import Kind


def merged(kind: Kind, tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables, in the kind's order.

    Counts of the same minute add up, and minutes that counted nothing are left out. Of other kinds, a row that is in
    several tables is there once.
    """
    names = ", ".join(kind.order)
    if kind.added:
        sums = ", ".join(f"sum({name})::BIGINT as {name}" for name in kind.added)
        counted = " or ".join(f"sum({name}) <> 0" for name in kind.added)
        query = f"select {names}, {sums} from given group by {names} having {counted} order by {names}"  # noqa: S608 - our names
    else:
        query = f"select distinct * from given order by {names}"  # noqa: S608 - our names
    with over(pa.concat_tables(tables)) as connection:
        return connection.sql(query).to_arrow_table().select(kind.schema.names).cast(kind.schema)
