"""Counts out of the cache are what PostgreSQL would answer at that moment, whatever happens to Redis meanwhile."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from actors.sinks.postgres import PostgresStore
from cluster.services import Services
from schema.cache.client import Cache
from schema.cache.counts import CachedCounts
from schema.cache.flags import CACHED_COUNTS, Flags
from schema.database import open_engine, transaction
from schema.events import Coverage
from schema.geometry import Scene
from schema.queries import cameras, counts
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import crossing, delivery
from tests.integration.caching import OwnRedis, own_redis

pytestmark = pytest.mark.integration

S = 10**9
FIRST_DAY = 20_000
"""Days since 1970."""


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn, pool_size=12)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def store(dsn: str) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn)
    yield store
    store.close()


@pytest.fixture
def cached(redis: OwnRedis) -> Iterator[CachedCounts]:
    redis.client.flushall()
    cache = Cache(redis.url)
    yield CachedCounts(cache, Flags(cache))
    cache.close()


@pytest.fixture
def watched(engine: Engine, store: PostgresStore) -> Watched:
    return _another(engine, store)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an element each time counts are summed up in PostgreSQL."""
    made: list[int] = []
    sum_up = counts.series

    def noted(*args, **kwargs):
        made.append(1)
        return sum_up(*args, **kwargs)

    monkeypatch.setattr(counts, "series", noted)
    return made


class Question:
    """Whole days of one camera."""

    def __init__(self, watched: Watched, first: int, days: int = 1) -> None:
        self._asked = {
            "from_ns": (FIRST_DAY + first) * DAY_NS,
            "to_ns": (FIRST_DAY + first + days) * DAY_NS,
            "resolution": "hour",
            "camera_ids": [watched.id],
        }

    def ask(self, engine: Engine, cached: CachedCounts):
        with transaction(engine, DEFAULT_TENANT_ID, one_snapshot=True) as session:
            found = cached.series(session, DEFAULT_TENANT_ID, **self._asked)
            return [bucket for one in found for bucket in one.buckets()]

    def truth(self, engine: Engine):
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            return counts.buckets(session, **self._asked)


def pass_by(store: PostgresStore, watched: Watched, number: int, day: int, **fields) -> None:
    at_ns = (FIRST_DAY + day) * DAY_NS + number * S
    store.commit(
        [delivery(watched, [replace(crossing(watched, number), occurred_ns=at_ns, confirmed_ns=at_ns, **fields)])]
    )


def test_a_question_is_summed_up_once_until_a_crossing_of_these_days_comes(
    engine: Engine, store: PostgresStore, watched: Watched, cached: CachedCounts, queries: list[int]
):
    yesterday = Question(watched, 0)
    pass_by(store, watched, 1, day=0)
    first = yesterday.ask(engine, cached)
    assert sum(bucket.totals.count_in + bucket.totals.count_out for bucket in first) == 1
    assert yesterday.ask(engine, cached) == first
    assert len(queries) == 1

    pass_by(store, watched, 2, day=1)
    assert yesterday.ask(engine, cached) == first
    assert len(queries) == 1, "today's crossings leave yesterday's answer alone"

    pass_by(store, watched, 3, day=0)
    assert yesterday.ask(engine, cached) != first
    assert yesterday.ask(engine, cached) == yesterday.truth(engine)


def test_an_edited_rule_and_a_longer_watch_change_the_answer(
    engine: Engine, store: PostgresStore, watched: Watched, cached: CachedCounts
):
    day = Question(watched, 0)
    pass_by(store, watched, 1, day=0)
    from_ns = FIRST_DAY * DAY_NS
    day.ask(engine, cached)
    store.commit(
        [
            replace(
                delivery(watched, []),
                coverage=(Coverage(camera_id=watched.id, epoch="e", from_ns=from_ns, to_ns=from_ns + 5 * S),),
            )
        ]
    )
    assert day.ask(engine, cached) == day.truth(engine)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.get(session, watched.id)
        cameras.change(session, replace(camera, name="renamed", scene=Scene()))
    assert {bucket.camera for bucket in day.ask(engine, cached)} == {"renamed"}


def test_with_the_flag_off_every_question_is_summed_up(
    engine: Engine, store: PostgresStore, watched: Watched, redis: OwnRedis, cached: CachedCounts, queries: list[int]
):
    cache = Cache(redis.url)
    flags = Flags(cache)
    flags.put(CACHED_COUNTS, False)
    question = Question(watched, 0)
    for _ in range(2):
        question.ask(engine, CachedCounts(cache, flags))
    flags.put(CACHED_COUNTS, None)
    cache.close()
    assert len(queries) == 2


STEPS = st.lists(st.tuples(st.sampled_from(["pass", "undo", "flush"]), st.integers(0, 2)), max_size=25)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_in_whatever_order_answers_are_those_of_postgresql(
    engine: Engine, store: PostgresStore, redis: OwnRedis, cached: CachedCounts, steps: list[tuple[str, int]]
):
    watched = _another(engine, store)
    for number, (step, day) in enumerate(steps):
        if step == "pass":
            pass_by(store, watched, number, day)
        elif step == "undo":
            pass_by(
                store, watched, number, day, undoes=crossing(watched, 0).event_id, undoes_ns=(FIRST_DAY + 1) * DAY_NS
            )
        elif step == "flush":
            redis.client.flushall()
        for question in (Question(watched, day), Question(watched, 0, days=3)):
            assert question.ask(engine, cached) == question.truth(engine)


def _another(engine: Engine, store: PostgresStore) -> Watched:
    under_test = PostgresUnderTest(store, engine)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("update cameras set name = name || id, removed_at = now() where removed_at is null"))
    return under_test.camera()


def test_a_database_with_another_history_gets_no_answers_of_this_one(
    services: Services, engine: Engine, store: PostgresStore
):
    """After a restore or a failover the same revisions may stand for other crossings."""
    with own_redis() as own:
        cache = Cache(own.url)
        cached = CachedCounts(cache, Flags(cache))
        watched = _another(engine, store)
        pass_by(store, watched, 1, day=0)
        with psycopg.connect(services.postgres.url, autocommit=True) as connection:
            engine.dispose()
            store.close()
            name = urlsplit(str(engine.url)).path.strip("/")
            connection.execute(f"create database forked template {name}")
        forked_dsn = urlunsplit(urlsplit(services.postgres.url)._replace(path="/forked"))
        forked, forked_store = open_engine(forked_dsn), PostgresStore(forked_dsn)
        pass_by(store, watched, 2, day=0)
        pass_by(forked_store, watched, 3, day=0, direction="out")
        question = Question(watched, 0)
        assert question.ask(engine, cached) == question.truth(engine)
        assert question.ask(forked, cached) == question.truth(forked)
        assert question.truth(forked) != question.truth(engine)
        forked.dispose()
        forked_store.close()
        cache.close()
        with psycopg.connect(services.postgres.url, autocommit=True) as connection:
            connection.execute("drop database forked with (force)")


def test_while_crossings_come_and_redis_goes_and_is_emptied_no_answer_is_older_than_its_question(
    engine: Engine, store: PostgresStore, watched: Watched, redis: OwnRedis, cached: CachedCounts
):
    """Counts only grow here: an answer lies between what was committed before it was asked and after it came."""
    stop = threading.Event()
    committed = [0]
    failures: list[str] = []
    asked = [0]

    def write() -> None:
        for number in range(10**6):
            if stop.is_set():
                return
            pass_by(store, watched, number, day=0)
            committed[0] = number + 1

    def read() -> None:
        question = Question(watched, 0)
        while not stop.is_set():
            least = committed[0]
            found = sum(b.totals.count_in + b.totals.count_out for b in question.ask(engine, cached))
            if not least <= found <= committed[0] + 1:
                failures.append(f"{found} not in {least}..{committed[0] + 1}")
            asked[0] += 1

    def upset() -> None:
        while not stop.wait(random.uniform(0.05, 0.3)):
            redis.client.flushall()

    _run_for(3.0, stop, [write, read, read, read, upset])
    redis.stop()
    stop.clear()
    _run_for(1.0, stop, [read, read])
    redis.start()
    assert not failures
    assert asked[0] > 50


def test_of_many_who_miss_at_once_in_two_processes_one_sums_up(
    engine: Engine, store: PostgresStore, watched: Watched, redis: OwnRedis, cached: CachedCounts, queries: list[int]
):
    pass_by(store, watched, 1, day=0)
    other = Cache(redis.url)  # shares nothing with the first but Redis, as another process would
    both = (cached, CachedCounts(other, Flags(other)))
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        Question(watched, 0).ask(engine, both[number % 2])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert len(queries) == 1


def _run_for(seconds: float, stop: threading.Event, jobs: list[Callable[[], None]]) -> None:
    broken: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised again where it is seen
            broken.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
