"""Every index has a use, every foreign key an index, and no named query reads a large table from end to end."""

import importlib
import inspect
import json
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

import schema.queries
from schema.database import open_engine
from schema.database.engine import make_engine
from tests.integration.full_store import Sample, fill
from tests.integration.named_queries import NAMED, WithoutSession

pytestmark = pytest.mark.integration

LARGE_ROWS = 5000
READS_ALL = {
    ("audit.verify", "audit_logs"): "it follows the chain from its first entry to the last",
    ("counts.buckets, all cameras by day", "coverage"): "of all cameras, an interval of any age may reach into the time"
    " asked for; the table holds what is not archived yet",
}
"""Named queries that may read a whole large table, and why."""
EXPLAINED = ("select", "insert", "update", "delete", "with")


@dataclass(frozen=True, kw_only=True)
class Plans:
    """What PostgreSQL would do for each named query: indexes used, and rows of each table read one after the other."""

    indexes: Mapping[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    scanned: Mapping[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))


@pytest.fixture(scope="module")
def sample(dsn: str) -> Sample:
    return fill(dsn)


@pytest.fixture(scope="module")
def catalogue(dsn: str, sample: Sample) -> Iterator[Connection]:
    engine = make_engine(dsn, pool_size=1, role=None)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def roots(catalogue: Connection) -> dict[str, str]:
    """The whole table's or index's name, by the name of each of its parts and its own."""
    query = (
        "select c.relname as part, coalesce(r.relname, c.relname) as whole from pg_class c"
        " left join lateral (select pg_partition_root(c.oid) as oid) p on c.relispartition"
        " left join pg_class r on r.oid = p.oid where c.relnamespace = 'public'::regnamespace"
    )
    return {row.part: row.whole for row in catalogue.execute(text(query))}


@pytest.fixture(scope="module")
def sizes(catalogue: Connection, roots: Mapping[str, str]) -> dict[str, float]:
    """Rows of each whole table."""
    query = "select relname, reltuples from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    rows: dict[str, float] = defaultdict(float)
    for row in catalogue.execute(text(query)):
        rows[roots[row.relname]] += max(0.0, row.reltuples)
    return rows


@pytest.fixture(scope="module")
def plans(dsn: str, sample: Sample, roots: Mapping[str, str]) -> Plans:
    plans = Plans()
    engine = open_engine(dsn, pool_size=1)
    for name, query in NAMED.items():
        for plan in _plans_of(engine, query, sample):
            for node in _nodes(plan):
                for index in (node.get("Index Name"), *node.get("Conflict Arbiter Indexes", ())):
                    if index is not None:
                        plans.indexes[roots[index]].add(name)
                if node["Node Type"] == "Seq Scan":
                    table = roots.get(node["Relation Name"], node["Relation Name"])
                    read = plans.scanned[name].setdefault(table, 0.0)
                    plans.scanned[name][table] = read + _rows_of(engine, node["Relation Name"])
    engine.dispose()
    return plans


def _plans_of(engine: Engine, query: Any, sample: Sample) -> list[dict[str, Any]]:
    """Plans of all statements that a call makes, with the values that it gives; what it changes is undone."""
    found: list[dict[str, Any]] = []

    def explain(_connection: Any, cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().lower().startswith(EXPLAINED):
            given = values[0] if isinstance(values, list) else values
            answer = cursor.connection.execute(f"explain (format json) {statement}", given).fetchone()[0]
            plan = answer if isinstance(answer, list) else json.loads(answer)
            found.append(plan[0]["Plan"])

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        if isinstance(query, WithoutSession):
            query.call(engine, sample)
        else:
            with query.session(engine) as session:
                query.call(session, sample)
                session.flush()
                session.rollback()
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows_of(engine: Engine, relation: str) -> float:
    with engine.connect() as connection:
        query = text("select reltuples from pg_class where relname = :name and relnamespace = 'public'::regnamespace")
        return max(0.0, connection.scalar(query, {"name": relation}) or 0.0)


def test_every_named_statement_is_looked_at():
    public = {
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(schema.queries.__path__)
        for name, function in vars(importlib.import_module(f"schema.queries.{module.name}")).items()
        if inspect.isfunction(function)
        and function.__module__ == f"schema.queries.{module.name}"
        and not name.startswith("_")
        and next(iter(inspect.signature(function).parameters), "") == "session"
    }
    assert public - NAMED.keys() == set(), "give tests/integration/named_queries.py values to ask with"


def test_no_named_query_reads_a_large_table_from_end_to_end(plans: Plans, sizes: Mapping[str, float]):
    found = {
        f"{name} reads {rows:.0f} of {sizes[table]:.0f} rows of {table}"
        for name, tables in plans.scanned.items()
        for table, rows in tables.items()
        if (name, table) not in READS_ALL and sizes[table] >= LARGE_ROWS and rows > sizes[table] / 2
    }
    assert found == set()


def test_the_tables_of_the_tiers_and_of_the_trail_are_large_here(sizes: Mapping[str, float]):
    for table in (
        "crossings",
        "counting_results",
        "camera_events",
        "coverage",
        "analytics",
        "packed_days",
        "audit_logs",
    ):
        assert sizes[table] >= LARGE_ROWS, table


_FOREIGN_KEYS = """
select k.conname, k.conrelid::regclass::text as child,
    array(select attname::text from unnest(k.conkey) with ordinality u (n, i)
          join pg_attribute on attrelid = k.conrelid and attnum = u.n order by i) as own,
    array(select attname::text from unnest(k.confkey) with ordinality u (n, i)
          join pg_attribute on attrelid = k.confrelid and attnum = u.n order by i) as theirs,
    array(select array_to_string(array(select attname::text from unnest(i.indkey) n
              join pg_attribute on attrelid = i.indrelid and attnum = n order by 1), ',')
          from pg_index i where i.indrelid = k.confrelid and i.indisunique and i.indpred is null) as unique_keys
from pg_constraint k where k.contype = 'f' and k.conparentid = 0 and k.connamespace = 'public'::regnamespace
"""
_INDEXES = """
select c.relname as name, i.indrelid::regclass::text as on_table, i.indisunique as is_unique,
    pg_get_expr(i.indpred, i.indrelid) as condition,
    array(select coalesce(attname::text, '') from unnest(i.indkey) with ordinality u (n, p)
          left join pg_attribute on attrelid = i.indrelid and attnum = u.n order by p) as columns
from pg_index i join pg_class c on c.oid = i.indexrelid
where not c.relispartition and c.relnamespace = 'public'::regnamespace
"""


def _serves(index: Any, key: Any) -> bool:
    """Whether an index leads to the rows that refer to one row: by columns that tell it from all others."""
    if index.on_table != key.child:
        return False
    if index.condition is not None and index.condition not in {f"({name} IS NOT NULL)" for name in key.own}:
        return False
    theirs = dict(zip(key.own, key.theirs, strict=True))
    leading: set[str] = set()
    for column in index.columns:
        if column not in theirs:
            break
        leading.add(theirs[column])
    return any(set(unique.split(",")) <= leading for unique in key.unique_keys)


def test_every_foreign_key_has_an_index(catalogue: Connection):
    indexes = catalogue.execute(text(_INDEXES)).all()
    keys = catalogue.execute(text(_FOREIGN_KEYS)).all()
    assert len(keys) > 20
    assert [key.conname for key in keys if not any(_serves(index, key) for index in indexes)] == []


def test_every_index_enforces_a_rule_or_serves_a_foreign_key_or_a_named_query(catalogue: Connection, plans: Plans):
    indexes = catalogue.execute(text(_INDEXES)).all()
    needed: set[str] = set()
    for key in catalogue.execute(text(_FOREIGN_KEYS)):
        serving = [index for index in indexes if _serves(index, key)]
        if not any(index.is_unique for index in serving):
            needed |= {index.name for index in serving}
    useless = {index.name for index in indexes if not index.is_unique} - needed - plans.indexes.keys()
    assert useless == set()
