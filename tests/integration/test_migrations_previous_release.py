"""The previous release's own code on this version's tables: expand first, contract a release later."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import Engine

from actors.sinks.postgres import PostgresStore
from schema.database import open_engine, transaction
from schema.events import Totals
from schema.queries import cameras, counts, crossings, totals
from schema.tenants import DEFAULT_TENANT_ID
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import BEGIN_NS, crossing, delivery
from tests.integration.previous import Previous

pytestmark = pytest.mark.integration

STEP_NS = 5 * 3600 * 10**9
READ_NS = 500 * 86_400 * 10**9
"""As in ``previous.py``."""


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory, services, dsn: str) -> Previous:
    return Previous(tmp_path_factory.mktemp("previous"), dsn, services.rabbitmq.url)


def read(engine: Engine, camera_id: int) -> dict[str, Any]:
    """What ``previous.read`` reads, by this version."""
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        found = {
            resolution: [
                [bucket.rule, bucket.from_ns, asdict(bucket.totals), bucket.covered_s]
                for bucket in counts.buckets(
                    session,
                    from_ns=BEGIN_NS - READ_NS,
                    to_ns=BEGIN_NS + READ_NS,
                    resolution=resolution,
                    camera_ids=[camera_id],
                )
            ]
            for resolution in ("hour", "day")
        }
        page = crossings.page(session, camera_id=camera_id, order="oldest", limit=10_000)
        return {
            **found,
            "crossings": [str(crossing.event_id) for crossing in page.crossings],
            "totals": [[rule.totals.rule, asdict(rule.totals.totals)] for rule in totals.live(session, [camera_id])],
        }


def test_the_previous_release_does_its_work_on_the_newest_tables(previous: Previous, engine: Engine):
    done = previous.ask("begin")
    assert (done["new"], done["again"], done["relayed"]) == (40, 0, 40)
    assert done["renewed"] == [done["camera_id"]]
    assert done["source"] == ["rtsp://u:p@10.0.0.1/x"]
    assert len(done["read"]["crossings"]) == 40
    assert read(engine, done["camera_id"]) == done["read"]
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert "rtsp://u:p@10.0.0.1/x" in {camera.source for camera in cameras.listing(session)}


def test_both_releases_store_at_the_same_time_and_read_the_same(previous: Previous, engine: Engine, dsn: str):
    store = PostgresStore(dsn)
    camera = PostgresUnderTest(store, engine).camera()
    process = previous.start("store", str(camera.id), "0")
    ours = 0
    for first in range(600, 1000, 10):
        given = delivery(camera, [_crossing(camera, track) for track in range(first, first + 10)], is_file=True)
        ours += len(store.commit([given]).crossings)
    theirs = previous.end(process)
    store.close()
    assert ours == 400
    assert theirs > 0
    seen = read(engine, camera.id)
    assert seen == previous.ask("read", str(camera.id))
    assert len(seen["crossings"]) == ours + theirs
    counted = [Totals(**sums) for _, _, sums, _ in seen["day"]]
    assert sum(sums.count_in + sums.count_out for sums in counted) == ours + theirs


def _crossing(camera: Watched, track: int):
    occurred_ns = BEGIN_NS + (track - 600) * STEP_NS
    return replace(crossing(camera, track), occurred_ns=occurred_ns, confirmed_ns=occurred_ns)
