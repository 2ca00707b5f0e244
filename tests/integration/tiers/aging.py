"""Counts, crossings and coverage to let age, and ways to look at them wherever they are by now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from actors.tiers.run import run_due
from schema.database import owner_transaction, transaction
from schema.events import Totals
from schema.geometry import Scene, parse_line, parse_zone
from schema.ports import FileStore
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers import archives, parquet
from schema.tiers.kinds import COUNTS
from schema.times import to_ns

TODAY = date(2026, 11, 23)
NOW_NS = to_ns(datetime(2026, 11, 23, 2, tzinfo=UTC))
_SPACE = UUID(int=0)
_SUMS = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost", "dwell_s")
_COUNTED = f"select bucket, {', '.join(_SUMS)} from counts_all"


@dataclass(frozen=True, kw_only=True)
class Aging:
    """A camera with a line and a zone."""

    id: int
    line: int
    zone: int


def at(day: date, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def add_tenant(engine: Engine, name: str, *, hot: int, warm: int, cold: int) -> int:
    with owner_transaction(engine) as session:
        return session.scalar(
            text(
                "insert into tenants (name, hot_days, warm_days, cold_days)"
                " values (:name, :hot, :warm, :cold) returning id"
            ),
            {"name": name, "hot": hot, "warm": warm, "cold": cold},
        )


def add_camera(engine: Engine, name: str, tenant_id: int = DEFAULT_TENANT_ID) -> Aging:
    scene = Scene(lines=(parse_line("door=0.5,0,0.5,1"),), zones=(parse_zone("hall=0.1,0.1,0.9,0.1,0.5,0.9"),))
    with transaction(engine, tenant_id) as session:
        camera = cameras.add(session, Camera(name=name, source="x.mp4", scene=scene))
    return Aging(id=camera.id, line=camera.scene.lines[0].id, zone=camera.scene.zones[0].id)


def count(
    engine: Engine, camera: Aging, minutes: Mapping[datetime, Totals], tenant_id: int = DEFAULT_TENANT_ID
) -> None:
    """Count at the camera's line as the store does: a minute that is there is added to."""
    with transaction(engine, tenant_id) as session:
        for day in sorted({minute.date() for minute in minutes if minute.year >= 2000}):
            session.execute(
                text("select ensure_partition('counting_results', :day, :next)"),
                {"day": at(day, 0), "next": at(day, 1440)},
            )
        session.execute(
            text(
                f"insert into counting_results (camera_id, zone_id, bucket, {', '.join(_SUMS)})"
                f" values (:camera, :zone, :bucket, {', '.join(f':{name}' for name in _SUMS)})"
                " on conflict on constraint uq_counting_results_zone_id_bucket do update set "
                + ", ".join(f"{name} = counting_results.{name} + excluded.{name}" for name in _SUMS)
            ),
            [
                {
                    "camera": camera.id,
                    "zone": camera.line,
                    "bucket": minute,
                    **{name: getattr(totals, name) for name in _SUMS},
                }
                for minute, totals in minutes.items()
            ],
        )


def some_minutes(day: date, minutes: Sequence[int] = (0, 7, 600, 1439)) -> dict[datetime, Totals]:
    return {
        at(day, minute): Totals(
            count_in=minute % 7 + 1,
            count_out=minute % 3,
            effective_in=minute % 7 - 1,
            effective_out=minute % 3,
            appeared=minute % 2,
            dwell_s=round(minute * 1.001, 3),
        )
        for minute in minutes
    }


def cross(
    engine: Engine, camera: Aging, moments: Sequence[datetime], *, epoch: str = "live", is_file: bool = False
) -> set[UUID]:
    """Crossings of the camera's line."""
    ids = {moment: uuid5(_SPACE, f"{camera.id}/{moment}") for moment in moments}
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        _stream(session, camera, epoch, moments[0], is_file=is_file)
        session.execute(
            text(
                "insert into crossings (occurred_at, event_id, camera_id, epoch, zone_id, track_id, kind, direction,"
                " cause, ordinal, frame, confirmed_at, confidence, x, y, model) values (:at, :id, :camera, :epoch,"
                " :zone, 1, 'line', 'in', 'crossed', 0, 1, :at, 0.73, 0.0078125, 0.3, 'a \"quoted\", model')"
            ),
            [
                {"at": moment, "id": ids[moment], "camera": camera.id, "epoch": epoch, "zone": camera.line}
                for moment in moments
            ],
        )
    return set(ids.values())


def cover(engine: Engine, camera: Aging, from_at: datetime, to_at: datetime, *, epoch: str = "live") -> None:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        _stream(session, camera, epoch, from_at, is_file=False)
        session.execute(
            text("insert into coverage (camera_id, epoch, from_at, to_at) values (:camera, :epoch, :from, :to)"),
            {"camera": camera.id, "epoch": epoch, "from": from_at, "to": to_at},
        )


def rows_of(engine: Engine, table: str, tenant_id: int = DEFAULT_TENANT_ID) -> int:
    with transaction(engine, tenant_id) as session:
        return session.scalar(text(f"select count(*) from {table}"))


def _stream(session: Session, camera: Aging, epoch: str, started_at: datetime, *, is_file: bool) -> None:
    session.execute(
        text(
            "insert into streams (camera_id, epoch, started_at, is_file) values (:camera, :epoch, :at, :is_file)"
            " on conflict do nothing"
        ),
        {"camera": camera.id, "epoch": epoch, "at": started_at, "is_file": is_file},
    )


def everything(engine: Engine, files: FileStore, tenant_id: int = DEFAULT_TENANT_ID) -> dict[datetime, Totals]:
    """All counts of a tenant, from all tiers, by minute; dwell to the millisecond."""
    with transaction(engine, tenant_id, one_snapshot=True) as session:
        rows = [tuple(row) for row in session.execute(text(_COUNTED))]
        kept = archives.current(session, "counting_results")
    for archive in kept:
        for table in parquet.read(files, archive.path, COUNTS, archive.contents.groups):
            rows += [
                (at, ci, co, ci - ui, co - uo, appeared, lost, dwell_ms / 1000)
                for _, _, at, ci, co, ui, uo, appeared, lost, dwell_ms in zip(*table.to_pydict().values(), strict=True)
            ]
    found: dict[datetime, Totals] = {}
    for moment, *sums in rows:
        found[moment] = found.get(moment, Totals()) + Totals(**dict(zip(_SUMS, sums, strict=True)))
    return {moment: replace(totals, dwell_s=round(totals.dwell_s, 3)) for moment, totals in found.items()}


def done(engine: Engine, files: FileStore, now_ns: int = NOW_NS) -> list[tuple[str, str, str]]:
    """What a run did: action, what, period."""
    steps = run_due(engine, files, now_ns=now_ns)
    assert [step.error for step in steps if step.error] == []
    return [(step.action, step.what, step.period) for step in steps]


def ages(engine: Engine) -> list[str]:
    """The tiers that hold counts."""
    found = [archive.period.tier for archive in current_archives(engine, "counting_results")]
    names = ("counting_results", "packed_days")
    return [name for name in names if rows_of(engine, name)] + found


def current_archives(engine: Engine, kind=None) -> list[archives.Archive]:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return archives.current(session, kind)
