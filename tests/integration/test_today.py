"""The day's totals in Redis: kept up by what is committed, and seen to be old where news were lost."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from actors.sinks.postgres import PostgresStore
from actors.sinks.redis import RedisSink
from schema.cache.client import Cache
from schema.cache.today import DayTotals
from schema.database import open_engine, transaction
from schema.geometry import Scene
from schema.queries import cameras, today, totals
from schema.queries.today import RuleDay, crossings_of
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import crossing, delivery
from tests.integration.caching import OwnRedis

pytestmark = pytest.mark.integration

DAY = 20_100


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def under_test(dsn: str, engine: Engine) -> Iterator[PostgresUnderTest]:
    store = PostgresStore(dsn)
    yield PostgresUnderTest(store, engine)
    store.close()


@pytest.fixture
def sink(redis: OwnRedis, dsn: str) -> Iterator[RedisSink]:
    sink = RedisSink(redis.url, dsn)
    yield sink
    sink.close()


class Dashboard:
    """Reads the day as the API does, and counts how much of it came from PostgreSQL."""

    def __init__(self, engine: Engine, cache: Cache) -> None:
        self._engine = engine
        self._days = DayTotals(cache)
        self.loads: list[int | None] = []

    def read(self) -> dict[int, tuple[int, int]]:
        with transaction(self._engine, DEFAULT_TENANT_ID) as session:
            known = {rule.totals.rule_id: crossings_of(rule.totals.totals) for rule in totals.live(session)}

        def load(rule_ids):
            self.loads.append(None if rule_ids is None else len(rule_ids))
            with transaction(self._engine, DEFAULT_TENANT_ID) as session:
                return today.day_totals(session, DAY, rule_ids)

        sums = self._days.read(DEFAULT_TENANT_ID, DAY, known, load)
        return {rule.rule_id: (rule.count_in, rule.count_out) for rule in sums if rule.count_in or rule.count_out}


def pass_by(under_test: PostgresUnderTest, watched: Watched, number: int, *, day: int = DAY, **fields):
    seen = crossing(watched, number, **fields)
    return under_test.store.commit([delivery(watched, [replace(seen, occurred_ns=day * DAY_NS + number * 10**9)])])


def test_the_day_is_read_once_and_then_kept_up_by_what_is_committed(
    under_test: PostgresUnderTest, engine: Engine, cache: Cache, sink: RedisSink
):
    watched, dashboard = under_test.camera(), Dashboard(engine, cache)
    sink.publish(pass_by(under_test, watched, 1))
    assert dashboard.read()[watched.line] == (1, 0)
    sink.publish(pass_by(under_test, watched, 2, direction="out"))
    sink.publish(pass_by(under_test, watched, 3))
    assert dashboard.read()[watched.line] == (2, 1)
    assert dashboard.loads == [None]


def test_lost_news_are_noticed_and_only_that_rule_is_read_again(
    under_test: PostgresUnderTest, engine: Engine, cache: Cache, sink: RedisSink
):
    one, other, dashboard = under_test.camera(), under_test.camera(), Dashboard(engine, cache)
    for watched in (one, other):
        sink.publish(pass_by(under_test, watched, 1))
    dashboard.read()
    pass_by(under_test, one, 2)  # nobody told Redis
    assert dashboard.read()[one.line] == (2, 0)
    assert dashboard.loads == [None, 1]
    missed = pass_by(under_test, one, 3)
    sink.publish(pass_by(under_test, one, 4))
    sink.publish(missed)  # late, and after that twice
    sink.publish(missed)
    assert dashboard.read()[one.line] == (4, 0)


def test_a_new_rule_and_a_crossing_of_another_day_are_right(
    under_test: PostgresUnderTest, engine: Engine, cache: Cache, sink: RedisSink
):
    watched, dashboard = under_test.camera(), Dashboard(engine, cache)
    dashboard.read()
    added = under_test.camera()
    sink.publish(pass_by(under_test, added, 1))
    sink.publish(pass_by(under_test, watched, 1, day=DAY - 1))
    found = dashboard.read()
    assert found[added.line] == (1, 0)
    assert watched.line not in found


def test_a_retired_rule_still_counts_for_the_day(
    under_test: PostgresUnderTest, engine: Engine, cache: Cache, sink: RedisSink
):
    watched, dashboard = under_test.camera(), Dashboard(engine, cache)
    sink.publish(pass_by(under_test, watched, 1))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.change(session, replace(cameras.get(session, watched.id), scene=Scene()))
    assert dashboard.read()[watched.line] == (1, 0)
    sink.publish(pass_by(under_test, watched, 2))
    assert dashboard.read()[watched.line] == (2, 0)


def test_an_emptied_redis_costs_one_reading_and_none_is_as_right(
    under_test: PostgresUnderTest, engine: Engine, redis: OwnRedis, cache: Cache, away: Cache, sink: RedisSink
):
    watched, dashboard = under_test.camera(), Dashboard(engine, cache)
    sink.publish(pass_by(under_test, watched, 1))
    before = dashboard.read()
    redis.client.flushall()
    assert dashboard.read() == before
    assert dashboard.read() == before
    assert dashboard.loads == [None, None]
    assert Dashboard(engine, away).read() == before


def test_one_who_finds_redis_gone_shares_the_reading_of_one_who_found_it_empty(redis: OwnRedis, cache: Cache):
    days, loading, go_on = DayTotals(cache), threading.Event(), threading.Event()
    rule = RuleDay(
        rule_id=1, camera_id=1, kind="line", crossings=3, count_in=2, count_out=1, effective_in=2, effective_out=1
    )

    def load(_rule_ids: Sequence[int] | None) -> list[RuleDay]:
        loading.set()
        assert go_on.wait(10)
        return [rule]

    with ThreadPoolExecutor(2) as readers:
        first = readers.submit(days.read, DEFAULT_TENANT_ID, DAY, {}, load)
        assert loading.wait(10)
        redis.stop()
        second = readers.submit(days.read, DEFAULT_TENANT_ID, DAY, {}, load)
        time.sleep(0.5)  # it has met the first one by now
        go_on.set()
        assert list(first.result(10)) == list(second.result(10)) == [rule]
    redis.start()
