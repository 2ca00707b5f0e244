"""Storing crossings exactly once, with their minutes, totals and messages, against a COPY that promises nothing.

All start from the same crossings: 300 cameras with a line and two zones each, 5000 crossings of one minute a batch. The
peers are a plain COPY into a table without constraints, indexes or row security, and the same whole commit through
SQLAlchemy's ``executemany``.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from random import Random
from typing import Any, Final

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from actors.counting.buckets import buckets
from actors.sinks import incoming, rows, statements
from actors.sinks.postgres import PostgresStore
from actors.sinks.statements import Statement
from cluster.bench.days import add_cameras, own_store
from cluster.bench.measure import Measure, medians
from schema.database import transaction
from schema.events import Crossing, Delivery, crossing_id
from schema.queries import leases
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import MINUTE_NS, to_datetime

ROUNDS: Final = 9
CAMERAS: Final = 300
BATCH: Final = 5000
_BEGIN_NS: Final = 1_790_000_040 * 10**9
_EPOCH: Final = "4f1c2d5e8a9b4c0d9e7f6a5b4c3d2e1f"


def measure() -> list[Measure]:
    """Crossings a second in batches of 5000, medians of interleaved rounds."""
    with _contestants() as contestants:
        for warm_up in contestants * 2:
            warm_up()
        stored, copied, row_by_row = medians(ROUNDS, contestants)
    return [
        Measure(
            name="ingest",
            value=stored,
            unit="crossings/s",
            reference=f"plain COPY without constraints, {copied:.0f}/s",
            ratio=stored / copied,
        ),
        Measure(
            name="ingest (against executemany)",
            value=stored,
            unit="crossings/s",
            reference=f"the same through SQLAlchemy's executemany, {row_by_row:.0f}/s",
            ratio=stored / row_by_row,
        ),
    ]


class Traffic:
    """Batches of crossings of many cameras, each of one minute, none twice."""

    def __init__(self, engine: Engine) -> None:
        self._random = Random(1)  # noqa: S311 - traffic, not secrets
        self._minutes = count()
        self._cameras = add_cameras(engine, CAMERAS)
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            self._leases = {
                camera.id: leases.grant(session, camera.id, holder="bench", ttl_s=3600).epoch
                for camera in self._cameras
            }

    def batch(self) -> list[Delivery]:
        """The next minute's crossings as the workers deliver them."""
        minute = next(self._minutes)
        seen: dict[int, list[Crossing]] = {camera.id: [] for camera in self._cameras}
        for _ in range(BATCH):
            camera = self._random.choice(self._cameras)
            seen[camera.id].append(self._crossing(camera, minute, len(seen[camera.id])))
        return [
            Delivery(
                camera_id=camera_id,
                lease_epoch=self._leases[camera_id],
                epoch=_EPOCH,
                started_ns=_BEGIN_NS,
                is_file=False,
                crossings=tuple(crossings),
            )
            for camera_id, crossings in seen.items()
        ]

    def _crossing(self, camera: Camera, minute: int, number: int) -> Crossing:
        random = self._random
        rule = random.choice(camera.scene.rules)
        is_zone = rule in camera.scene.zones
        occurred_ns = _BEGIN_NS + minute * MINUTE_NS + random.randrange(MINUTE_NS)
        track_id = minute * 1000 + number
        return Crossing(
            event_id=crossing_id(
                camera_id=camera.id, epoch=_EPOCH, track_id=track_id, rule=rule.name, version=1, ordinal=0
            ),
            camera_id=camera.id,
            epoch=_EPOCH,
            track_id=track_id,
            kind="zone" if is_zone else "line",
            rule=rule.name,
            rule_id=rule.id,
            direction=random.choice(("in", "out")),
            ordinal=0,
            frame=track_id * 25,
            occurred_ns=occurred_ns,
            confirmed_ns=occurred_ns + 400_000_000,
            confidence=random.random(),
            x=random.random(),
            y=random.random(),
            dwell_s=random.random() * 60 if is_zone else None,
            model="yolo11n_int8_openvino_model",
        )


@contextmanager
def _contestants() -> Iterator[tuple[Callable[[], float], ...]]:
    with own_store() as own, closing(PostgresStore(own.dsn)) as store, psycopg.connect(own.owner_dsn) as plain:
        traffic = Traffic(own.engine)
        plain.execute("create table plain as select * from crossings with no data")
        plain.commit()

        def timed(store_batch: Callable[[list[Delivery]], object]) -> Callable[[], float]:
            def run() -> float:
                batch = traffic.batch()
                begun_s = time.perf_counter()
                store_batch(batch)
                return BATCH / (time.perf_counter() - begun_s)

            return run

        yield (
            timed(store.commit),
            timed(lambda batch: _copy(plain, batch)),
            timed(lambda batch: _executemany(own.engine, batch)),
        )


def _copy(connection: psycopg.Connection, batch: Sequence[Delivery]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy plain ({incoming.COLUMNS}) from stdin") as copy:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for delivery in batch:
            for crossing in delivery.crossings:
                copy.write_row(_row(crossing))
    connection.commit()


def _executemany(engine: Engine, batch: Sequence[Delivery]) -> None:
    crossings = [crossing for delivery in batch for crossing in delivery.crossings]
    minutes = buckets(crossings)
    names = incoming.COLUMNS.split(", ")
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(statements.LOCK_LEASES, {"camera_ids": [delivery.camera_id for delivery in batch]})
        _one_by_one(session, "streams", statements.STREAMS, rows.streams(batch))
        session.execute(
            text(
                f"insert into crossings ({incoming.COLUMNS}) values ({', '.join(f':{name}' for name in names)})"  # noqa: S608
                " on conflict (event_id, occurred_at) do nothing"
            ),
            [dict(zip(names, _row(crossing), strict=True)) for crossing in crossings],
        )
        session.execute(statements.OUTBOX, rows.told(sorted(crossings, key=lambda crossing: crossing.occurred_ns)))
        _one_by_one(session, "counting_results", statements.BUCKETS, rows.minutes(minutes))
        _one_by_one(session, "analytics", statements.DAYS, rows.days(minutes))
        _one_by_one(session, "zone_totals", statements.TOTALS, rows.totals(minutes, {}))


def _one_by_one(session: Session, table: str, statement: Statement, values: Sequence[tuple[Any, ...]]) -> None:
    """The statement's insert with a row's values each time, instead of arrays of all."""
    conflict = statement.sql.text[statement.sql.text.index("on conflict") :].partition(" returning ")[0]
    binds = ", ".join(f"cast(:{name} as {kind})" for name, kind in statement.columns.items())
    sql = f"insert into {table} ({', '.join(statement.columns)}) values ({binds}) {conflict}"  # noqa: S608 - our own names
    moments = {name for name, kind in statement.columns.items() if kind == "timestamptz"}
    session.execute(
        text(sql),
        [
            {
                name: to_datetime(value) if name in moments else value
                for name, value in zip(statement.columns, row, strict=True)
            }
            for row in values
        ],
    )


def _row(crossing: Crossing) -> tuple[Any, ...]:
    """In the order of ``incoming.COLUMNS``."""
    return (
        to_datetime(crossing.occurred_ns),
        crossing.event_id,
        crossing.camera_id,
        crossing.epoch,
        crossing.rule_id,
        crossing.track_id,
        crossing.kind,
        crossing.direction,
        crossing.cause,
        crossing.ordinal,
        crossing.frame,
        to_datetime(crossing.confirmed_ns),
        crossing.confidence,
        crossing.x,
        crossing.y,
        crossing.undoes,
        None if crossing.undoes_ns is None else to_datetime(crossing.undoes_ns),
        crossing.dwell_s,
        crossing.model,
    )
