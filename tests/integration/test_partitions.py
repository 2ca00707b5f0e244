"""Partitions on a real server: whatever the date, no row is refused, and nobody waits for long."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import median
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from sqlalchemy import Engine, text

from actors.sinks.postgres import PostgresStore
from cluster.upkeep import AGAIN_S, EVERY_S, PartitionUpkeep
from schema.database import migrate, open_engine, owner_transaction, transaction
from schema.database.engine import make_engine
from schema.events import Crossing, Totals
from schema.partitions import Outcome, ensure_partitions, maintain, period_of, planned
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import BEGIN_NS, crossing, delivery

pytestmark = pytest.mark.integration

DAY_NS = 86_400 * 10**9
NOW = datetime(2026, 9, 21, 15, tzinfo=UTC)


@pytest.fixture
def own(services) -> Iterator[str]:
    """A database of its own for each test: partitions outlive rows."""
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute("create database partitions")
        yield urlunsplit(urlsplit(services.postgres.url)._replace(path="/partitions"))
        connection.execute("drop database partitions with (force)")


@pytest.fixture
def under_test(own: str, migrated_template: str) -> Iterator[PostgresUnderTest]:
    migrate(own)
    store, engine = PostgresStore(own), open_engine(own)
    yield PostgresUnderTest(store, engine)
    store.close()
    engine.dispose()


@pytest.fixture
def owner(under_test: PostgresUnderTest, own: str) -> Iterator[Engine]:
    """Whoever logs in: a superuser, who sees partitions by name."""
    engine = make_engine(own, pool_size=2, role=None)
    yield engine
    engine.dispose()


def at(camera: Watched, track: int, moment: datetime) -> Crossing:
    return replace(crossing(camera, track), occurred_ns=to_ns(moment), confirmed_ns=to_ns(moment))


def scalar(engine: Engine, query: str, **values: Any) -> Any:
    with engine.begin() as connection:
        return connection.scalar(text(query), values)


def partitions_of(engine: Engine, table: str) -> set[str]:
    query = "select inhrelid::regclass::text from pg_inherits where inhparent = cast(:table as regclass)"
    with engine.begin() as connection:
        return set(connection.scalars(text(query), {"table": table}))


def keep(engine: Engine, now: datetime = NOW) -> list[Outcome]:
    return list(maintain(engine, to_ns(now)))


def store_without_partitions(under_test: PostgresUnderTest, owner: Engine, camera: Watched, *moments: datetime) -> None:
    """Store while somebody reads the default partitions, so that no partition can be made."""
    with owner.begin() as reader:
        reader.execute(text("select count(*) from crossings_default"))
        reader.execute(text("select count(*) from counting_results_default"))
        under_test.store.commit([delivery(camera, [at(camera, n, moment) for n, moment in enumerate(moments)])])


def test_days_and_months_are_made_ahead_and_then_nothing_is_due(under_test: PostgresUnderTest, owner: Engine):
    due = planned(under_test.engine, to_ns(NOW))
    done = keep(under_test.engine)
    assert [outcome.action for outcome in done] == list(due)
    assert {outcome.state for outcome in done} == {"done"}
    assert {"counting_results_2026_09_21", "counting_results_2026_09_28"} <= partitions_of(owner, "counting_results")
    assert {"crossings_2026_09", "crossings_2026_11"} <= partitions_of(owner, "crossings")
    assert len(partitions_of(owner, "counting_results_2026_09_21")) == 4
    assert planned(under_test.engine, to_ns(NOW)) == ()
    assert keep(under_test.engine) == []


@pytest.mark.parametrize(
    "moment",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)],
)
def test_a_time_out_of_the_calendar_is_stored_and_stays_in_the_default_partition(
    under_test: PostgresUnderTest, owner: Engine, moment: datetime
):
    camera = under_test.camera()
    given = at(camera, 1, moment)
    assert len(under_test.store.commit([delivery(camera, [given])]).crossings) == 1
    assert planned(under_test.engine, to_ns(NOW)) == tuple(
        action for action in planned(under_test.engine, to_ns(NOW)) if action.kind == "create"
    )
    keep(under_test.engine)
    assert scalar(owner, "select count(*) from crossings_default") == 1
    assert len(under_test.store.commit([delivery(camera, [given])]).crossings) == 0


def test_rows_of_the_default_partition_are_moved_into_their_own_and_count_the_same(
    under_test: PostgresUnderTest, owner: Engine
):
    camera = under_test.camera()
    moments = [NOW, NOW + timedelta(minutes=1), NOW - timedelta(days=400), datetime(1970, 1, 1, tzinfo=UTC)]
    store_without_partitions(under_test, owner, camera, *moments)
    assert scalar(owner, "select count(*) from counting_results_default") == 4
    before = under_test.buckets(camera), under_test.totals(camera), under_test.crossing_ids(camera)

    moved = {(o.action.table, o.action.span.first.date().isoformat()): o.moved for o in keep(under_test.engine)}
    assert moved["counting_results", "2026-09-21"] == 2
    assert moved["crossings", "2025-08-01"] == 1
    assert scalar(owner, "select count(*) from counting_results_default") == 1
    assert (under_test.buckets(camera), under_test.totals(camera), under_test.crossing_ids(camera)) == before

    again = [at(camera, n, moment) for n, moment in enumerate([*moments, NOW])]
    under_test.store.commit([delivery(camera, again)])
    assert under_test.totals(camera)[camera.line] == Totals(count_in=5, effective_in=5)
    assert under_test.buckets(camera)[camera.line, to_ns(NOW)] == Totals(count_in=2, effective_in=2)


def test_two_at_once_do_the_work_once(under_test: PostgresUnderTest, owner: Engine):
    camera = under_test.camera()
    store_without_partitions(under_test, owner, camera, NOW, NOW - timedelta(days=3))
    with ThreadPoolExecutor(3) as pool:
        outcomes = [outcome for done in pool.map(lambda _: keep(under_test.engine), range(3)) for outcome in done]
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert sum(o.moved for o in outcomes if o.action.table == "counting_results") == 2
    assert planned(under_test.engine, to_ns(NOW)) == ()


def test_a_manager_that_dies_in_the_middle_of_moving_rows_changes_nothing(under_test: PostgresUnderTest, owner: Engine):
    camera = under_test.camera()
    store_without_partitions(under_test, owner, camera, NOW)
    before = partitions_of(owner, "counting_results"), under_test.buckets(camera)
    dying = owner.connect()
    dying.execute(text("select settle_partition('counting_results', '2026-09-21 UTC', '2026-09-22 UTC')"))
    pid = dying.scalar(text("select pg_backend_pid()"))
    scalar(owner, "select pg_terminate_backend(:pid)", pid=pid)
    dying.invalidate()
    dying.close()
    assert (partitions_of(owner, "counting_results"), under_test.buckets(camera)) == before
    assert any(outcome.moved for outcome in keep(under_test.engine))
    assert under_test.buckets(camera) == before[1]


def test_a_table_that_somebody_reads_for_long_is_left_for_later(under_test: PostgresUnderTest, owner: Engine):
    camera = under_test.camera()
    with owner.begin() as reader:
        reader.execute(text("select count(*) from crossings_default"))
        assert ensure_partitions(under_test.engine, "crossings", [period_of("crossings", BEGIN_NS)]) == set()
        started_s = time.monotonic()
        under_test.store.commit([delivery(camera, [crossing(camera, 1)])])
        assert time.monotonic() - started_s < 2
        outcomes = list(maintain(under_test.engine, BEGIN_NS, sleep=lambda _: None))
        assert {o.action.table for o in outcomes if o.state == "busy"} == {"crossings"}
    assert {o.action.table for o in maintain(under_test.engine, BEGIN_NS)} == {"crossings"}


def test_ingest_goes_on_while_partitions_are_made_and_rows_moved(under_test: PostgresUnderTest, owner: Engine):
    camera = under_test.camera()
    days = [NOW + timedelta(days=n) for n in range(-20, 0)]
    store_without_partitions(under_test, owner, camera, *days)
    tracks, took_s, stop = count(1000), [], threading.Event()

    def ingest() -> None:
        while not stop.is_set():
            started_s = time.monotonic()
            moments = [NOW, *days[:: len(days) // 4], datetime(1970, 1, 1, tzinfo=UTC)]
            under_test.store.commit([delivery(camera, [at(camera, next(tracks), moment) for moment in moments])])
            took_s.append(time.monotonic() - started_s)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ingest)
        outcomes = keep(under_test.engine)
        stop.set()
        running.result()
    assert sum(outcome.moved for outcome in outcomes) >= 40
    assert max(took_s) < 1.5
    stored = next(tracks) - 1000 + len(days)
    assert under_test.totals(camera)[camera.line].count_in == stored
    assert len(under_test.crossing_ids(camera)) == stored
    assert sum(sums.count_in for sums in under_test.buckets(camera).values()) == stored


def test_nobody_can_make_a_partition_that_the_calendar_does_not_have(under_test: PostgresUnderTest):
    for table, first, last in (
        ("crossings", "2026-09-01 00:01 UTC", "2026-10-01 UTC"),
        ("crossings", "1990-09-01 UTC", "1990-10-01 UTC"),
        ("crossings", "2026-09-01 UTC", "2036-09-01 UTC"),
        ("cameras", "2026-09-01 UTC", "2026-10-01 UTC"),
    ):
        with (
            pytest.raises(Exception, match=r"no partition of|has no partitions by time"),
            transaction(under_test.engine, DEFAULT_TENANT_ID) as session,
        ):
            session.execute(text(f"select ensure_partition('{table}', '{first}', '{last}')"))
    with (
        pytest.raises(Exception, match="permission denied"),
        transaction(under_test.engine, DEFAULT_TENANT_ID) as session,
    ):
        session.execute(text("select settle_partition('crossings', '2026-09-01 UTC', '2026-10-01 UTC')"))


@pytest.mark.timeout(600)
def test_with_thousands_of_partitions_a_point_query_is_planned_in_an_instant(
    under_test: PostgresUnderTest, owner: Engine
):
    camera = under_test.camera()
    fill = "select count(ensure_partition('{}', day, day + interval '1 {}')) from generate_series({}, interval '1 {}')"
    with owner_transaction(owner) as session:
        range_ = "timestamptz '2025-05-20 UTC', timestamptz '2026-09-30 UTC'"
        session.execute(text(fill.format("counting_results", "day", range_, "day") + " day"))
        session.execute(text("set local time zone 'UTC'"))
        range_ = "timestamptz '2000-01-01 UTC', timestamptz '2027-12-01 UTC'"
        session.execute(text(fill.format("crossings", "month", range_, "month") + " day"))
    leaves = scalar(owner, "select count(*) from pg_class where relispartition and relkind = 'r'")
    assert leaves > 2000
    under_test.store.commit([delivery(camera, [at(camera, 1, NOW)])])

    key = {"camera_id": camera.id, "zone_id": camera.line, "at": NOW, "until": NOW + timedelta(hours=1)}
    for query in (
        "select * from counting_results where camera_id = :camera_id and zone_id = :zone_id and bucket = :at",
        "select * from counting_results where camera_id = :camera_id and bucket >= :at and bucket < :until",
        "select * from crossings where camera_id = :camera_id and occurred_at >= :at and occurred_at < :until",
        "select * from crossings where event_id = gen_random_uuid() and occurred_at = :at",
    ):
        with transaction(under_test.engine, DEFAULT_TENANT_ID) as session:
            plans = [session.scalars(text(f"explain (summary) {query}"), key).all() for _ in range(12)]
            planning_ms = [
                float(line.split()[2]) for plan in plans for line in plan if line.startswith("Planning Time")
            ]
            assert median(planning_ms[2:]) < 5
            # The statement itself, often enough that the driver prepares it: still one partition is locked, not all.
            for _ in range(12):
                session.execute(text(query), key).all()
            locks = session.scalar(text("select count(*) from pg_locks where pid = pg_backend_pid()"))
            assert locks < 50


def test_the_upkeep_looks_every_hour_and_sooner_where_a_table_was_in_use(own: str, under_test, owner: Engine):
    upkeep = PartitionUpkeep(own)
    with owner.begin() as reader:
        reader.execute(text("select count(*) from crossings_default"))
        assert upkeep.step(to_ns(NOW)) == AGAIN_S
    assert upkeep.step(to_ns(NOW)) == EVERY_S
    assert planned(under_test.engine, to_ns(NOW)) == ()
    stopping = threading.Event()
    stopping.set()
    upkeep.run(stopping)
