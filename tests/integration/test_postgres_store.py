"""What only the store in PostgreSQL has to promise: several of them at once, outages, months, impossible values."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from actors.sinks.postgres import PostgresStore
from schema.database import open_engine, transaction
from schema.errors import Permanent, StoreUnavailable
from schema.events import CameraEvent, Totals
from schema.queries import leases
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import BEGIN_NS, crossing, delivery

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def under_test(dsn: str) -> Iterator[PostgresUnderTest]:
    store, engine = PostgresStore(dsn, pool_size=4), open_engine(dsn)
    yield PostgresUnderTest(store, engine)
    store.close()
    engine.dispose()


@pytest.fixture
def camera(under_test: PostgresUnderTest) -> Watched:
    return under_test.camera()


def scalar(engine: Engine, query: str, **values: Any) -> Any:
    with transaction(engine, DEFAULT_TENANT_ID) as connection:
        return connection.scalar(text(query), values)


def grant_at_once(engine: Engine, camera_id: int) -> None:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("set local lock_timeout = '100ms'"))
        leases.grant(session, camera_id, holder="other", ttl_s=1)


def test_many_at_once_with_the_same_crossings_count_each_once(under_test: PostgresUnderTest):
    cameras = [under_test.camera() for _ in range(4)]
    deliveries = [
        delivery(camera, [crossing(camera, i, at_s=7 * i) for i in range(start, start + 10)])
        for camera in cameras
        for start in range(0, 30, 5)
    ]
    random = Random(1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(under_test.store.commit, [random.sample(deliveries, 8) for _ in range(30)]))
    under_test.store.commit(deliveries)
    for camera in cameras:
        assert under_test.totals(camera) == {camera.line: Totals(count_in=35, effective_in=35)}
        assert sum(under_test.buckets(camera).values(), Totals()) == Totals(count_in=35, effective_in=35)


def test_every_new_crossing_leaves_one_message(under_test: PostgresUnderTest, camera: Watched):
    seen = crossing(camera, 1)
    for _ in range(2):
        under_test.store.commit([delivery(camera, [seen])])
    with transaction(under_test.engine, DEFAULT_TENANT_ID) as connection:
        (row,) = connection.execute(
            text("select * from outbox_crossings where :id = any(event_ids)"), {"id": seen.event_id}
        )
    assert row.event_ids == [seen.event_id]
    assert to_ns(row.first_at) == to_ns(row.last_at) == seen.occurred_ns


def test_a_lease_is_not_granted_while_a_commit_under_the_old_one_is_under_way(
    under_test: PostgresUnderTest, camera: Watched
):
    with transaction(under_test.engine, DEFAULT_TENANT_ID) as connection:
        connection.execute(text("select 1 from leases where camera_id = :id for share"), {"id": camera.id})
        with pytest.raises(StoreUnavailable):
            grant_at_once(under_test.engine, camera.id)
    _, granted_ns = under_test.lend_again(camera)
    assert granted_ns > 0


def test_a_commit_goes_on_after_a_restart_of_postgresql(services, under_test: PostgresUnderTest, camera: Watched):
    given = delivery(camera, [crossing(camera, 1)])
    services.postgres.stop()
    try:
        with pytest.raises(StoreUnavailable) as raised:
            under_test.store.commit([given])
    finally:
        services.postgres.start()
    assert "@" not in str(raised.value)
    assert len(under_test.store.commit([given]).crossings) == 1


def test_impossible_values_are_refused_for_good_and_nothing_of_them_stays(
    under_test: PostgresUnderTest, camera: Watched
):
    wrong = replace(crossing(camera, 2), cause=cast(Any, "flown"))
    with pytest.raises(Permanent, match="flown"):
        under_test.store.commit([delivery(camera, [crossing(camera, 1), wrong])])
    assert under_test.crossing_ids(camera) == set()
    assert under_test.totals(camera) == {}


@pytest.mark.parametrize("days", [-20_000, -400, 0, 45, 40_000])
def test_any_date_finds_its_partition(under_test: PostgresUnderTest, camera: Watched, days: int):
    occurred_ns = BEGIN_NS + days * 86_400 * 10**9
    given = replace(crossing(camera, 1), occurred_ns=occurred_ns, confirmed_ns=occurred_ns)
    assert under_test.store.commit([delivery(camera, [given])]).crossings == (given,)
    assert under_test.store.commit([delivery(camera, [given])]).crossings == ()
    partition = scalar(
        under_test.engine, "select tableoid::regclass::text from crossings where event_id = :id", id=given.event_id
    )
    assert (
        partition
        == {
            -20_000: "crossings_default",
            -400: "crossings_2025_08",
            0: "crossings_2026_09",
            45: "crossings_2026_11",
            40_000: "crossings_default",
        }[days]
    )


def test_a_month_that_began_in_the_default_partition_goes_on_there(under_test: PostgresUnderTest, camera: Watched):
    early = replace(crossing(camera, 1), occurred_ns=BEGIN_NS + 3650 * 86_400 * 10**9)
    other = replace(early, event_id=crossing(camera, 2).event_id)
    under_test.store.commit([delivery(camera)])
    with transaction(under_test.engine, DEFAULT_TENANT_ID) as connection:
        connection.execute(
            text(
                "insert into crossings (occurred_at, event_id, camera_id, epoch, zone_id, track_id, kind, direction,"
                " cause, ordinal, frame, confirmed_at, confidence, x, y) values (to_timestamp(:at_s), :event_id,"
                " :camera_id, 'e', :line, 1, 'line', 'in', 'crossed', 0, 1, now(), 1, 0, 0)"
            ),
            {
                "at_s": early.occurred_ns // 10**9,
                "event_id": early.event_id,
                "camera_id": camera.id,
                "line": camera.line,
            },
        )
    assert under_test.store.commit([delivery(camera, [early, other])]).crossings == (other,)


def test_what_happened_last_is_a_cameras_status(under_test: PostgresUnderTest, camera: Watched):
    def event(kind: str, at_s: int) -> CameraEvent:
        return CameraEvent(event_id=uuid4(), camera_id=camera.id, event_type=kind, occurred_ns=BEGIN_NS + at_s * 10**9)

    under_test.store.commit([delivery(camera, events=(event("lost", 2), event("connected", 1)))])
    under_test.store.commit([delivery(camera, events=(event("connected", 0), event("something else", 9)))])
    assert scalar(under_test.engine, "select status from cameras where id = :id", id=camera.id) == "lost"
