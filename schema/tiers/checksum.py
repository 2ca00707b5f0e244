"""One checksum of rows in any order, computed alike by PostgreSQL and by DuckDB.

Every row is written out as a text of whole numbers and words, and hashed with MD5; the first 60 bits of all hashes are
added up modulo 2^60. So rows may be divided and joined in any way, and a row that is missing, doubled or changed shows.
It guards against mistakes and decay, not against somebody who wants to deceive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from schema.tiers.duck import over
from schema.tiers.kinds import DOUBLE, INT, REAL, TIME, Kind

MODULUS: Final = 2**60


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """How many rows there are, and their checksum, 0 <= checksum < MODULUS."""

    rows: int = 0
    checksum: int = 0

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        """Of both together."""
        return Fingerprint(rows=self.rows + other.rows, checksum=(self.checksum + other.checksum) % MODULUS)


def total(parts: Iterable[Fingerprint]) -> Fingerprint:
    """Of all together."""
    return sum(parts, Fingerprint())


def in_postgres(kind: Kind) -> str:
    """Two expressions, ``rows`` and ``checksum``, to select from a relation that has the kind's columns."""
    line = ", ".join(_word_in_postgres(name, arrow) for name, arrow in kind.columns)
    return (
        "count(*) as rows, coalesce(mod(sum(('x' || left(md5(concat_ws('|', "
        f"{line})), 15))::bit(60)::bigint), {MODULUS}), 0)::bigint as checksum"
    )


def of_table(kind: Kind, table: pa.Table) -> Fingerprint:
    """Of an Arrow table with the kind's columns."""
    with over(table) as connection:
        rows, checksum = connection.sql(f"select {_in_duckdb(kind)} from given").fetchall()[0]  # noqa: S608 - our names
    return Fingerprint(rows=rows, checksum=checksum)


def by_zone(kind: Kind, table: pa.Table) -> dict[int, Fingerprint]:
    """Of an Arrow table with the kind's columns, ``zone_id`` among them, by that."""
    with over(table) as connection:
        query = f"select zone_id, {_in_duckdb(kind)} from given group by zone_id"  # noqa: S608 - our names
        found = connection.sql(query).fetchall()
    return {zone_id: Fingerprint(rows=rows, checksum=checksum) for zone_id, rows, checksum in found}


def _in_duckdb(kind: Kind) -> str:
    line = ", ".join(_word_in_duckdb(name, arrow) for name, arrow in kind.columns)
    return (
        f"count(*) as rows, (coalesce(sum(('0x' || left(md5(concat_ws('|', {line})), 15))::BIGINT), 0)"
        f" % {MODULUS})::BIGINT as checksum"
    )


# What has no value becomes a word, so that it differs from an empty text. Fractions become whole millionths.


def _word_in_postgres(name: str, arrow: pa.DataType) -> str:
    if arrow == INT:
        word = name
    elif arrow == TIME:
        word = f"(date_part('epoch', {name}) * 1000000)::bigint"  # rounded, and so right until the year 2255
    elif arrow in (REAL, DOUBLE):
        word = f"floor({name}::double precision * 1000000)::bigint"
    else:
        word = name
    return f"coalesce(({word})::text, 'none')"


def _word_in_duckdb(name: str, arrow: pa.DataType) -> str:
    if arrow == INT:
        word = name
    elif arrow == TIME:
        word = f"epoch_us({name})"
    elif arrow in (REAL, DOUBLE):
        word = f"floor({name}::DOUBLE * 1000000)::BIGINT"
    else:
        word = name
    return f"coalesce(({word})::VARCHAR, 'none')"
