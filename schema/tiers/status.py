"""How much lies in which tier."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from schema.database import across_tenants, transaction
from schema.queries import tenants
from schema.tiers.kinds import KINDS, Kind, KindName

TierName = Literal["hot", "warm", "cold", "historical"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """What one tier holds of one kind, of all tenants: rows (of counts, minutes), bytes with indexes, its time."""

    tier: TierName
    kind: KindName
    rows: int
    size: int
    oldest: datetime | None
    newest: datetime | None

    @property
    def bytes_a_row(self) -> float | None:
        """None where there is no row."""
        return self.size / self.rows if self.rows else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """What one tenant has; the size is that of his own files, where he has any."""

    tier: TierName
    kind: KindName
    rows: int
    oldest: datetime | None
    newest: datetime | None
    size: int = 0


def status(engine: Engine) -> list[Holding]:
    """Every tier that holds something, by kind. It counts every row in PostgreSQL, which may take a while.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    with across_tenants(engine) as session:
        tenant_ids = tenants.ids(session)
        sizes = {(row.tier, row.kind): int(row.size) for row in session.execute(_SIZES)}
    parts: list[_Part] = []
    for tenant_id in tenant_ids:
        with transaction(engine, tenant_id, one_snapshot=True) as session:
            parts += _parts(session)
    held: dict[tuple[TierName, KindName], list[_Part]] = {}
    for part in parts:
        if part.rows:
            held.setdefault((part.tier, part.kind), []).append(part)
    return [_holding(tier, kind, of_tenants, sizes.get((tier, kind))) for (tier, kind), of_tenants in held.items()]


def _parts(session: Session) -> list[_Part]:
    hot = [_part("hot", kind.name, session.execute(text(_hot(kind))).one()) for kind in KINDS]
    warm = _part("warm", "counting_results", session.execute(_WARM).one())
    files = [_part(row.tier, row.kind, row) for row in session.execute(_FILES)]
    return [hot[0], warm, *hot[1:], *files]


def _part(tier: TierName, kind: KindName, row: Any) -> _Part:
    return _Part(
        tier=tier,
        kind=kind,
        rows=int(row.rows),
        oldest=row.oldest,
        newest=row.newest,
        size=int(getattr(row, "size", 0)),
    )


def _holding(tier: TierName, kind: KindName, parts: list[_Part], shared_size: int | None) -> Holding:
    return Holding(
        tier=tier,
        kind=kind,
        rows=sum(part.rows for part in parts),
        size=sum(part.size for part in parts) if shared_size is None else shared_size,
        oldest=min((part.oldest for part in parts if part.oldest), default=None),
        newest=max((part.newest for part in parts if part.newest), default=None),
    )


def _hot(kind: Kind) -> str:
    return f"select count(*) as rows, min({kind.time}) as oldest, max({kind.time}) as newest from {kind.name}"  # noqa: S608


_WARM: Final = text(
    "select coalesce(sum(minutes), 0) as rows, min(day)::timestamp at time zone 'UTC' as oldest,"
    " (max(day) + 1)::timestamp at time zone 'UTC' - interval '1 minute' as newest from packed_days"
)

_FILES: Final = text(
    "select tier, kind, sum(row_count) as rows, sum(size) as size, min(from_at) as oldest, max(to_at) as newest"
    " from archives where state = 'current' group by tier, kind order by tier, kind"
)

_SIZES: Final = text(
    "select tier, kind, (select sum(pg_total_relation_size(relid)) from pg_partition_tree(name::regclass)) as size"
    " from (values ('hot', 'counting_results', 'counting_results'), ('hot', 'crossings', 'crossings'),"
    " ('hot', 'camera_events', 'camera_events')) as divided (tier, kind, name)"
    " union all select 'warm', 'counting_results', pg_total_relation_size('packed_days')"
    " union all select 'hot', 'coverage', pg_total_relation_size('coverage')"
)
