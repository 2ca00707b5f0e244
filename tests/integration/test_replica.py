"""Reading from a real streaming replica, and writing through a failover."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from actors.sinks.postgres import PostgresStore
from schema.database import routing
from schema.database.routing import Database, Kind, kind_of
from schema.errors import BadInput, StoreUnavailable
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID
from tests.contracts.stores import PostgresUnderTest
from tests.contracts.test_store import crossing, delivery
from tests.integration.api_server import running_api
from tests.replica_pair import Pair, replica_pair

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    home = Path(tempfile.mkdtemp(prefix="turnstile-replica-"))
    home.chmod(0o755)
    with replica_pair(home) as started:
        yield started
    shutil.rmtree(home)


@pytest.fixture
def database(pair: Pair) -> Iterator[Database]:
    with closing(Database(pair.failover_dsn, [pair.replica.service_url], pool_size=2)) as opened:
        until(lambda: behind_s(opened) is not None)
        yield opened


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def behind_s(database: Database) -> float | None:
    (replica,) = database.replicas()
    return replica.behind_s


def port_that_answers(database: Database, kind: Kind) -> int:
    with database.read(DEFAULT_TENANT_ID, kind) as session:
        port = session.scalar(text("select inet_server_port()"))
    assert port is not None
    return port


def camera_names(database: Database, kind: Kind, tenant_id: int = DEFAULT_TENANT_ID) -> set[str]:
    with database.read(tenant_id, kind) as session:
        return {camera.name for camera in cameras.listing(session)}


def add_camera(database: Database, name: str) -> None:
    with database.write(DEFAULT_TENANT_ID) as session:
        cameras.add(session, Camera(name=name, source="x.mp4"))


def test_history_is_read_from_the_replica_and_the_present_from_the_primary(pair: Pair, database: Database):
    assert port_that_answers(database, "history") == pair.replica.port
    assert port_that_answers(database, "report") == pair.replica.port
    assert port_that_answers(database, "live") == pair.primary.port
    assert database.reads == {"primary": 1, "replica": 2}


def test_a_replica_keeps_tenants_apart_and_takes_no_writes(pair: Pair, database: Database):
    add_camera(database, "gate")
    until(lambda: camera_names(database, "history") == {"gate"})
    assert camera_names(database, "history", tenant_id=2) == set()
    with pytest.raises(StoreUnavailable, match="read-only"), database.read(DEFAULT_TENANT_ID, "history") as session:
        cameras.add(session, Camera(name="door", source="x.mp4"))


def test_a_replica_that_falls_behind_is_left_out_until_it_has_caught_up(
    pair: Pair, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(routing.TOLERATED_S, "history", 1.5)
    time.sleep(2)
    assert port_that_answers(database, "history") == pair.replica.port  # an idle primary makes nobody late
    pair.sql(pair.replica, "select pg_wal_replay_pause()")
    add_camera(database, "gate")
    until(lambda: port_that_answers(database, "history") == pair.primary.port)
    assert camera_names(database, "history") == {"gate"}
    assert port_that_answers(database, "report") == pair.replica.port
    pair.sql(pair.replica, "select pg_wal_replay_resume()")
    until(lambda: port_that_answers(database, "history") == pair.replica.port)
    assert camera_names(database, "history") == {"gate"}


def test_a_stopped_replica_costs_nobody_an_answer_and_is_taken_back(pair: Pair, database: Database):
    pair.replica.stop()
    assert port_that_answers(database, "history") == pair.primary.port
    until(lambda: behind_s(database) is None)
    assert port_that_answers(database, "history") == pair.primary.port
    pair.replica.start()
    until(lambda: port_that_answers(database, "history") == pair.replica.port)


def test_while_the_primary_is_away_history_is_still_read(pair: Pair, database: Database):
    add_camera(database, "gate")
    until(lambda: camera_names(database, "history") == {"gate"})
    pair.primary.kill()
    assert camera_names(database, "history") == {"gate"}
    with pytest.raises(StoreUnavailable):
        camera_names(database, "live")


def test_after_a_promotion_writing_goes_on_and_nothing_is_lost_or_doubled(pair: Pair, database: Database):
    pair.sql(pair.primary, "alter system set synchronous_standby_names = '*'")
    pair.sql(pair.primary, "select pg_reload_conf()")
    until(lambda: pair.sql(pair.primary, "select sync_state from pg_stat_replication") == "sync")
    with closing(PostgresStore(pair.failover_dsn)) as store:
        under_test = PostgresUnderTest(store, database.primary)
        camera = under_test.camera()
        seen = [crossing(camera, track) for track in range(1, 61)]
        for one in seen[:30]:
            store.commit([delivery(camera, [one])])
        pair.primary.kill()
        with pytest.raises(StoreUnavailable):
            store.commit([delivery(camera, [seen[30]])])
        pair.sql(pair.replica, "select pg_promote()")
        for one in seen:
            commit_in_the_end(store, camera, one)
        assert under_test.crossing_ids(camera) == {one.event_id for one in seen}
        assert sum(totals.count_in + totals.count_out for totals in under_test.totals(camera).values()) == 60
    until(lambda: behind_s(database) is None)  # it is no replica any more
    assert port_that_answers(database, "history") == pair.replica.port


def test_a_pooled_connection_to_a_demoted_primary_is_not_used_again(pair: Pair, database: Database):
    add_camera(database, "gate")
    until(lambda: camera_names(database, "history") == {"gate"})
    pair.primary.stop()
    (pair.primary.folder / "data" / "standby.signal").touch()
    pair.primary.start()
    with pytest.raises(StoreUnavailable):  # nobody takes writes
        add_camera(database, "door")
    pair.sql(pair.replica, "select pg_promote()")
    add_camera(database, "door")
    assert camera_names(database, "live") == {"gate", "door"}


def test_the_api_reads_history_from_the_replica_and_says_how_it_is(services, pair: Pair):
    with running_api(pair.failover_dsn, services.redis.url, replica_dsns=[pair.replica.service_url]) as api:
        until(lambda: "s behind" in api.http.get("/readyz").json()["checks"]["replicas"]["detail"])
        span = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z"}
        for path in ("counts", "crossings"):
            assert api.http.get(f"/api/v1/{path}", params=span).status_code == 200
            assert api.http.get(f"/api/v1/{path}").status_code == 200  # until now: the primary knows
        metrics = api.http.get("/metrics").text
        assert 'turnstile_reads_total{server="replica"} 2.0' in metrics
        assert 'turnstile_reads_total{server="primary"} 2.0' in metrics
        assert f'turnstile_replica_lag_seconds{{replica="127.0.0.1:{pair.replica.port}"}}' in metrics
        pair.replica.stop()
        until(lambda: not api.http.get("/readyz").json()["checks"]["replicas"]["ok"])
        assert api.http.get("/api/v1/counts", params=span).status_code == 200


def test_what_is_over_for_a_minute_is_history():
    now_ns = 1_790_000_000 * 10**9
    assert kind_of(now_ns - 60 * 10**9, now_ns=now_ns) == "history"
    assert kind_of(now_ns - 59 * 10**9, now_ns=now_ns) == "live"
    assert kind_of(None, now_ns=now_ns) == "live"


def test_a_replica_address_of_another_form_is_refused():
    with pytest.raises(BadInput, match="only postgresql:// will do"):
        Database("postgresql://a@127.0.0.1/x", ["mysql://a@127.0.0.1/x"])


def commit_in_the_end(store: PostgresStore, camera, one) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            store.commit([delivery(camera, [one])])
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
