"""How long a busy day takes from rows to its file, and what counting notices of it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing import get_context
from uuid import uuid4

import numpy as np
from sqlalchemy import text

from actors.sinks.postgres import PostgresStore
from actors.tiers.run import run_due
from cluster.bench.days import Store, add_cameras, add_day, own_store
from cluster.bench.measure import Measure
from schema.database import open_engine, owner_transaction, transaction
from schema.errors import Permanent
from schema.events import Crossing, Delivery
from schema.queries import leases
from schema.queries.cameras import Camera
from schema.settings import StorageSettings
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns

CAMERAS = 300
LIMIT_S = 60.0
INGEST_SHARE = 0.8
UNDISTURBED_S = 15.0
CAMERAS_A_COMMIT = 50
CROSSINGS_A_CAMERA = 4


def measure() -> list[Measure]:
    """Seconds from the rows of a day to a verified file, and the speed of counting meanwhile and before."""
    now = datetime.now(UTC)
    day = (now.replace(day=1) - timedelta(days=5)).date()
    with own_store() as store:
        _let_age_at_once(store)
        watched = add_cameras(store.engine, CAMERAS)
        rows = add_day(store.engine, day, watched, np.random.default_rng(7))
        with (
            closing(PostgresStore(store.dsn)) as counting,
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other,
        ):
            commits = _commits(counting, _deliveries(store, watched[:CAMERAS_A_COMMIT], now))
            other.submit(time.time).result()  # it has started, and imported everything
            ends_at = time.monotonic() + UNDISTURBED_S
            before = _rate(commits, lambda: time.monotonic() >= ends_at)
            archiving = other.submit(_archive, store.dsn, store.settings.storage, to_ns(now))
            meanwhile = _rate(commits, archiving.done)
            took_s, archived = archiving.result()
    if archived != rows:
        raise Permanent(f"{rows} minutes were to be archived, and {archived} were")
    return [
        Measure(
            name="archive",
            value=took_s,
            unit="s",
            reference=f"limit {LIMIT_S:g} s for {rows:,} minutes of {CAMERAS} cameras, counting beside it",
            ratio=took_s / LIMIT_S,
        ),
        Measure(
            name="archive: counting beside it",
            value=meanwhile,
            unit="crossings/s",
            reference=f"undisturbed {before:.0f}; at least {INGEST_SHARE:g} of it",
            ratio=meanwhile / before,
        ),
    ]


def _let_age_at_once(store: Store) -> None:
    owner = open_engine(store.owner_dsn, pool_size=1)
    with owner_transaction(owner) as session:
        session.execute(text("update tenants set hot_days = 1, warm_days = 1"))
    owner.dispose()


def _archive(dsn: str, storage: StorageSettings, now_ns: int) -> tuple[float, int]:
    """In a process of its own, as the running system does it. Returns seconds, and how many minutes are in files."""
    engine = open_engine(dsn, pool_size=2)
    begun = time.monotonic()
    steps = run_due(engine, open_storage(storage), now_ns=now_ns)
    took_s = time.monotonic() - begun
    engine.dispose()
    if failed := next((step for step in steps if step.error), None):
        raise Permanent(f"archiving failed: {failed.error}")
    return took_s, sum(step.rows for step in steps if step.action == "archive")


def _rate(commits: Iterator[int], is_over: Callable[[], bool]) -> float:
    """Crossings stored a second, until it is over."""
    begun, stored = time.monotonic(), 0
    while not is_over():
        stored += next(commits)
    return stored / (time.monotonic() - begun)


def _commits(counting: PostgresStore, deliveries: Iterator[list[Delivery]]) -> Iterator[int]:
    for batch in deliveries:
        yield len(counting.commit(batch).crossings)


def _deliveries(store: Store, watched: list[Camera], now: datetime) -> Iterator[list[Delivery]]:
    """Crossings of these cameras' lines, without end, each new."""
    with transaction(store.engine, DEFAULT_TENANT_ID) as session:
        lent = [(camera, leases.grant(session, camera.id, holder="bench", ttl_s=3600).epoch) for camera in watched]
    begin_ns = to_ns(now)
    for number in count():
        yield [
            Delivery(
                camera_id=camera.id,
                lease_epoch=epoch,
                epoch="bench",
                started_ns=begin_ns,
                is_file=False,
                crossings=tuple(
                    _crossing(camera, begin_ns + (number * CROSSINGS_A_CAMERA + each) * 10**8)
                    for each in range(CROSSINGS_A_CAMERA)
                ),
            )
            for camera, epoch in lent
        ]


def _crossing(camera: Camera, occurred_ns: int) -> Crossing:
    line = camera.scene.lines[0]
    return Crossing(
        event_id=uuid4(),
        camera_id=camera.id,
        epoch="bench",
        track_id=1,
        kind="line",
        rule=line.name,
        rule_id=line.id,
        direction="in",
        ordinal=0,
        frame=1,
        occurred_ns=occurred_ns,
        confirmed_ns=occurred_ns,
        confidence=0.9,
        x=0.5,
        y=0.5,
    )
