"""Whether a database is what this program takes it for: after a migration, and whenever somebody asks."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from schema.database.comparing import differences

COUNTED_BYTES: Final = 100 * 2**20
"""Larger tables are not counted in a migration: their locks would be held for longer than a moment."""

# Rows of these are for ever, or until they are archived; all others come and go by themselves.
_LASTING: Final = (
    "cameras",
    "zones",
    "streams",
    "coverage",
    "crossings",
    "counting_results",
    "zone_totals",
    "camera_events",
)

_COUNTABLE: Final = text("""
    select c.relname from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname = any(:lasting) and :limit >= coalesce(
        (select sum(pg_relation_size(part.relid)) from pg_partition_tree(c.oid) part where part.isleaf),
        pg_relation_size(c.oid))
""")

# A sentence each. Partitions follow the table that they are of.
_FLAWS: Final = text("""
    select format('constraint %s of %s was never checked against the rows that are there: alter table %2$s validate'
        ' constraint %1$s', conname, conrelid::regclass) as flaw
    from pg_constraint where connamespace = 'public'::regnamespace and not convalidated
    union all
    select format('index %s of %s is unfinished: drop it and make it again', indexrelid::regclass, indrelid::regclass)
    from pg_index join pg_class c on c.oid = indexrelid
    where c.relnamespace = 'public'::regnamespace and not (indisvalid and indisready)
    union all
    select format('table %s has no default partition: a row of an odd date would be refused', partrelid::regclass)
    from pg_partitioned_table join pg_class c on c.oid = partrelid
    where c.relnamespace = 'public'::regnamespace and partstrat = 'r' and partdefid = 0
    union all
    select format('table %s holds rows of tenants and row security is not forced on it', c.oid::regclass)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and not (c.relrowsecurity and c.relforcerowsecurity)
    union all
    select format('table %s does not belong to turnstile_migrator: alter table %1$s owner to turnstile_migrator',
        c.oid::regclass)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'alembic_version'
      and pg_get_userbyid(c.relowner) <> 'turnstile_migrator'
    order by 1
""")


def flaws(connection: Connection) -> tuple[str, ...]:
    """What is wrong with the tables of a database at this program's version, a sentence each; nothing if all is well.

    It reads the catalogue only, however many rows there are. Tables are compared with the models when nothing else is
    wrong with them: what is unfinished cannot be compared.
    """
    found = tuple(connection.scalars(_FLAWS))
    return found or tuple(f"the tables are not what the models say: {said}" for said in differences(connection))


def count_rows(connection: Connection) -> Mapping[str, int]:
    """How many rows the tables have that must not lose any, by table; of those up to ``COUNTED_BYTES``."""
    tables = connection.scalars(_COUNTABLE, {"lasting": list(_LASTING), "limit": COUNTED_BYTES})
    return {table: connection.scalar(text(f"select count(*) from {table}")) or 0 for table in tables.all()}  # noqa: S608 - our own names


def losses(before: Mapping[str, int], connection: Connection) -> tuple[str, ...]:
    """Which of the tables have fewer rows than before; more are no loss, because people go on passing by."""
    now = {table: connection.scalar(text(f"select count(*) from {table}")) or 0 for table in before}  # noqa: S608 - as above
    return tuple(
        f"{table} had {before[table]} rows and has {now[table]}" for table in before if now[table] < before[table]
    )
