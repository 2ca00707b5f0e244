"""Figures for monitoring: few rows, whatever the store holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.events import Direction
from schema.queries import outbox
from schema.times import to_datetime

COVERAGE_WINDOW_S: Final = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CountFigure:
    """What one line or zone has counted one way, all its versions together, so that it never falls."""

    camera: str
    rule: str
    direction: Direction
    crossings: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Counts, the share of the last ``COVERAGE_WINDOW_S`` seconds that each live camera was watched, and backlog.

    A camera that is younger than that window is measured since it was made. ``outbox_waiting`` messages have not been
    confirmed by the broker yet.
    """

    counts: tuple[CountFigure, ...]
    coverage_ratio: Mapping[str, float]
    outbox_waiting: int


def read(session: Session, *, now_ns: int) -> Figures:
    """All figures as of ``now_ns``."""
    counts = session.execute(_COUNTS).all()
    window = {"now": to_datetime(now_ns), "window_s": COVERAGE_WINDOW_S}
    return Figures(
        counts=tuple(figure for row in counts for figure in _figures(row)),
        coverage_ratio={row.camera: float(row.ratio) for row in session.execute(_COVERAGE, window)},
        outbox_waiting=sum(outbox.waiting(session).values()),
    )


_COUNTS: Final = text(
    "select c.name as camera, z.name as rule, sum(t.count_in) as count_in, sum(t.count_out) as count_out"
    " from zone_totals t join zones z on z.id = t.zone_id join cameras c on c.id = z.camera_id"
    " where c.removed_at is null group by c.name, z.name order by c.name, z.name"
)

_COVERAGE: Final = text("""
with cameras_asked as (
    select id, name, greatest(created_at, cast(:now as timestamptz) - make_interval(secs => :window_s)) as since
    from cameras
    where removed_at is null and enabled and playback = 'live' and created_at < cast(:now as timestamptz)
), watched as (
    select a.id as camera_id, range_agg(tstzrange(v.from_at, v.to_at)) as spans
    from cameras_asked a
    cross join lateral (
        select from_at, to_at from coverage
        where camera_id = a.id and from_at < cast(:now as timestamptz) order by from_at desc limit 50
    ) v
    where v.to_at > a.since
    group by a.id
)
select a.name as camera, coalesce(sum(extract(epoch from upper(span) - lower(span))), 0)
    / extract(epoch from cast(:now as timestamptz) - a.since) as ratio
from cameras_asked a
left join watched w on w.camera_id = a.id
left join lateral unnest(w.spans * tstzmultirange(tstzrange(a.since, :now))) as span on true
group by a.name, a.since order by a.name
""")


def _figures(row: Any) -> tuple[CountFigure, CountFigure]:
    return (
        CountFigure(camera=row.camera, rule=row.rule, direction="in", crossings=int(row.count_in)),
        CountFigure(camera=row.camera, rule=row.rule, direction="out", crossings=int(row.count_out)),
    )
