"""Totals of today over HTTP are those of PostgreSQL while Redis is there, emptied, and gone."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from actors.sinks.postgres import PostgresStore
from actors.sinks.redis import RedisSink
from schema.database import open_engine
from schema.errors import StoreUnavailable
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import crossing, delivery
from tests.integration.api_server import Api, running_api, wait_until
from tests.integration.caching import OwnRedis

pytestmark = pytest.mark.integration

PATH = "/api/v1/totals/today"


@pytest.fixture(scope="module")
def street(dsn: str, redis: OwnRedis) -> Iterator["Street"]:
    street = Street(dsn, redis)
    yield street
    street.close()


@pytest.fixture(scope="module")
def api(dsn: str, redis: OwnRedis, street: "Street") -> Iterator[Api]:
    with running_api(dsn, redis.url) as api:
        wait_until(lambda: api.http.get(PATH).json()["cameras"])
        yield api


class Street:
    """A camera with a line and a zone, and people who pass now."""

    def __init__(self, dsn: str, redis: OwnRedis) -> None:
        self._engine = open_engine(dsn)
        self._store = PostgresStore(dsn)
        self._sink = RedisSink(redis.url, dsn)
        self._watched: Watched = PostgresUnderTest(self._store, self._engine).camera()
        self.committed = 0

    def pass_by(self, *, zone: bool = False) -> None:
        now_ns = time.time_ns()
        seen = crossing(self._watched, self.committed, zone=zone)
        committed = self._store.commit([delivery(self._watched, [replace(seen, occurred_ns=now_ns)])])
        self.committed += 1
        # The counting shard heals the totals later; the day's are healed by whoever reads them.
        with suppress(StoreUnavailable):
            self._sink.publish(committed)

    def close(self) -> None:
        self._store.close()
        self._sink.close()
        self._engine.dispose()


def counted(api: Api) -> int:
    answer = api.http.get(PATH)
    assert answer.status_code == 200, answer.text
    (camera,) = answer.json()["cameras"]
    return camera["count_in"] + camera["entered"]


def test_lines_count_and_zones_hold_people(api: Api, street: Street):
    before = api.http.get(PATH).json()["cameras"][0]
    street.pass_by()
    street.pass_by(zone=True)
    wait_until(lambda: counted(api) == street.committed)
    after = api.http.get(PATH).json()["cameras"][0]
    assert after["camera"] == before["camera"]
    assert after["count_in"] == after["effective_in"] == before["count_in"] + 1
    assert (after["entered"], after["occupancy"]) == (before["entered"] + 1, before["occupancy"] + 1)
    assert (after["count_out"], after["left"]) == (0, 0)


def test_under_load_redis_is_emptied_stopped_and_started_and_no_total_is_wrong(
    api: Api, street: Street, redis: OwnRedis
):
    """People only come in: an answer is never above what was committed, and never falls."""
    stop = threading.Event()
    wrong: list[str] = []
    slowest_s = [0.0]

    def ask() -> None:
        last = 0
        while not stop.is_set():
            began_s = time.perf_counter()
            found = counted(api)
            slowest_s[0] = max(slowest_s[0], time.perf_counter() - began_s)
            if not last <= found <= street.committed + 1:
                wrong.append(f"{found} after {last}, committed {street.committed}")
            last = found

    def come() -> None:
        while not stop.wait(0.01):
            street.pass_by()

    threads = [threading.Thread(target=work) for work in (ask, ask, come)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        time.sleep(0.2)
        redis.client.flushall()
    redis.stop()
    time.sleep(1.5)
    redis.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert slowest_s[0] < 2.0
    wait_until(lambda: counted(api) == street.committed)


def test_a_server_without_a_memory_limit_is_named(api: Api, redis: OwnRedis):
    assert "no maxmemory" in api.http.get("/readyz").json()["checks"]["redis"]["detail"]
    redis.client.config_set("maxmemory", "64mb")
    assert api.http.get("/readyz").json()["checks"]["redis"]["detail"] == "answers"
