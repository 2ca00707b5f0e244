"""Making partitions: on demand for rows that are about to be stored, and ahead of time.

All of it may run beside ingest, several times at once and be killed anywhere: each partition is made by one
transaction, which either finds it made or makes it. Whoever holds a table for longer than a moment is not waited for.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import structlog
from sqlalchemy import Engine, text

from schema.database import across_tenants
from schema.partitions.layout import LAYOUTS, Partitioned, Span, span_from
from schema.partitions.plan import Action, Found, due

TRIES: Final = 5
PAUSE_S: Final = 0.3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of an action: ``busy`` is tried again the next time. ``moved`` counts rows."""

    action: Action
    state: Literal["done", "busy"]
    moved: int = 0


def ensure_partitions(engine: Engine, table: Partitioned, periods: Iterable[datetime]) -> set[datetime]:
    """Make the partitions that are missing, each in a transaction of its own; never waits for more than a moment.

    Rows of a period that gets none go to the DEFAULT partition, and from there to their own by ``maintain``.
    It must not run inside a transaction that holds other locks: holding nothing else keeps it free of deadlocks.

    Args:
        engine: where.
        table: the partitioned table.
        periods: first instants of days, months or years, as ``period_of`` gives them.

    Returns:
        The periods that need not be asked for again; for the others the table was in use.

    Raises:
        OperationalError: PostgreSQL does not answer.
    """
    settled: set[datetime] = set()
    for first in sorted(periods):
        if _ensure(engine, table, first):
            settled.add(first)
    return settled


def _ensure(engine: Engine, table: Partitioned, first: datetime) -> bool:
    if not Span(first=first, last=first).has_partition:
        return True
    span = span_from(table, first)
    with engine.begin() as connection:
        made = connection.scalar(_ENSURE, {"table": table, "first": span.first, "last": span.last})
    if not made:
        _log.info("A time has no partition of its own yet", table=table, first=first.isoformat())
    return made is not None


def planned(engine: Engine, now_ns: int) -> tuple[Action, ...]:
    """What ``maintain`` would do.

    Raises:
        StoreUnavailable: PostgreSQL did not answer.
    """
    with across_tenants(engine) as session:
        there = set(session.scalars(_TABLES))
        found = {
            layout.table: Found(
                partitions=tuple(
                    Span(first=row.first, last=row.last) for row in session.execute(_SPANS, {"table": layout.table})
                ),
                strays=tuple(session.scalars(_STRAYS, {"table": layout.table, "period": layout.period})),
            )
            for layout in LAYOUTS
            if layout.table in there
        }
    return due(found, now_ns)


def maintain(engine: Engine, now_ns: int, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Outcome]:
    """Make what is due, one after the other, and move rows out of DEFAULT partitions.

    Args:
        engine: where; its login is a member of ``turnstile_system``.
        now_ns: nanoseconds since 1970 UTC.
        sleep: waits between tries where a table is in use.

    Raises:
        StoreUnavailable: PostgreSQL did not answer; what was made stays.
    """
    for action in planned(engine, now_ns):
        outcome = _attempt(engine, action)
        for _ in range(TRIES - 1):
            if outcome.state == "done":
                break
            sleep(PAUSE_S)
            outcome = _attempt(engine, action)
        yield outcome


def _attempt(engine: Engine, action: Action) -> Outcome:
    statement = _ENSURE if action.kind == "create" else _SETTLE
    values = {"table": action.table, "first": action.span.first, "last": action.span.last}
    with across_tenants(engine) as session:
        made = session.scalar(statement, values)
    if made is None:
        return Outcome(action=action, state="busy")
    return Outcome(action=action, state="done", moved=int(made) if action.kind == "settle" else 0)


_ENSURE: Final = text("select ensure_partition(:table, :first, :last)")
_SETTLE: Final = text("select settle_partition(:table, :first, :last)")
_STRAYS: Final = text("select stray_periods(:table, :period)")
_TABLES: Final = text(
    "select c.relname from pg_partitioned_table p join pg_class c on c.oid = p.partrelid"
    " where p.partstrat = 'r' and p.partdefid <> 0 and c.relnamespace = 'public'::regnamespace"
)
_SPANS: Final = text(r"""
    select cast(bounds[1] as timestamptz) as first, cast(bounds[2] as timestamptz) as last
    from (
        select regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \('([^']+)'\) TO \('([^']+)'\)$$) as bounds
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = to_regclass('public.' || quote_ident(:table))
    ) partitions
    where bounds is not null
""")
