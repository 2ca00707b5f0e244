"""What is in an exported file."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text

from actors import rollups
from actors.jobs import export_rows
from actors.jobs.export import KEEP_DAYS, export
from actors.jobs.task import Cancelled, Task
from actors.sinks.postgres import PostgresStore
from actors.tiers.run import run_due
from schema.database import open_engine, transaction
from schema.errors import BadInput
from schema.queries import cameras, jobs
from schema.settings import StorageSettings
from schema.storage import FsspecStore, open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_text
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import BEGIN_NS, crossing, delivery

pytestmark = pytest.mark.integration

MINUTES = 90
SPAN = {"from": to_text(BEGIN_NS), "to": to_text(BEGIN_NS + 2 * 86400 * 10**9)}


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def watched(dsn: str, engine: Engine) -> Iterator[Watched]:
    """A camera that saw somebody come in every minute, and another that saw one."""
    store = PostgresStore(dsn)
    under_test = PostgresUnderTest(store, engine)
    first, second = under_test.camera(), under_test.camera()
    store.commit([delivery(first, [crossing(first, i, at_s=60 * i) for i in range(MINUTES)])])
    store.commit([delivery(second, [crossing(second, 1)])])
    yield first
    store.close()


@pytest.fixture
def files(tmp_path: Path) -> FsspecStore:
    return open_storage(StorageSettings(url=tmp_path.as_uri()))


def task(engine: Engine, **arguments: Any) -> Task:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return Task(jobs.request(session, "export", {**SPAN, **arguments}))


def exported(engine: Engine, files: FsspecStore, **arguments: Any) -> tuple[dict[str, Any], bytes]:
    result = export(task(engine, **arguments), engine=engine, store=files, now_ns=BEGIN_NS)
    return result, b"".join(files.read(result["path"], sha256=result["sha256"]))


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_crossings_come_once_each_in_order_over_many_pages(engine, files, watched, monkeypatch):
    monkeypatch.setattr(export_rows, "PAGE", 7)
    result, content = exported(engine, files, what="crossings")
    rows = rows_of(content)
    assert result["rows"] == len(rows) == len({row["event_id"] for row in rows}) == MINUTES + 1
    assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
    assert result["size"] == len(content)
    assert result["expires_at"] == to_text(BEGIN_NS + KEEP_DAYS * 86400 * 10**9)


def test_parquet_has_types_and_the_same_rows(engine, files, watched):
    _, text = exported(engine, files, what="crossings")
    _, content = exported(engine, files, what="crossings", format="parquet")
    table = pq.read_table(io.BytesIO(content))
    assert table.column("event_id").to_pylist() == [row["event_id"] for row in rows_of(text)]
    assert str(table.schema.field("occurred_at").type) == "timestamp[us, tz=UTC]"


def test_counts_are_those_of_one_camera_by_the_hour(engine, files, watched):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        name = cameras.get(session, watched.id).name
    _, content = exported(engine, files, what="counts", camera=name, format="parquet")
    table = pq.read_table(io.BytesIO(content)).to_pylist()
    assert {row["camera"] for row in table} == {name}
    assert sum(row["count_in"] for row in table) == MINUTES
    assert {row["to"] - row["from"] for row in table} == {timedelta(hours=1)}


def test_minutes_come_once_each(engine, files, watched):
    _, content = exported(engine, files, what="counts", resolution="minute")
    rows = rows_of(content)
    assert len(rows) == len({(row["from"], row["camera"], row["rule"]) for row in rows})
    assert sum(int(row["count_in"]) for row in rows) == MINUTES + 1


def test_an_export_of_nothing_has_its_header(engine, files, watched):
    result, content = exported(engine, files, what="crossings", **{"from": to_text(0), "to": to_text(BEGIN_NS)})
    assert (result["rows"], rows_of(content)) == (0, [])
    assert content.startswith(b"event_id,occurred_at,")


def test_an_export_that_is_done_again_is_the_same_file(engine, files, watched):
    first, _ = exported(engine, files, what="counts")
    second, _ = exported(engine, files, what="counts")
    assert first == second


def test_a_camera_that_is_not_there_is_named(engine, files, watched):
    with pytest.raises(BadInput, match="no camera 'nowhere'"):
        exported(engine, files, what="counts", camera="nowhere")


def test_a_cancelled_export_leaves_no_file(engine, files, watched, tmp_path: Path):
    cancelled = task(engine, what="crossings")
    cancelled.end(Cancelled("cancelled"))
    with pytest.raises(Cancelled):
        export(cancelled, engine=engine, store=files, now_ns=BEGIN_NS)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_has_left_postgresql_is_exported_all_the_same(engine, files, watched):
    """The last test of its module: it moves everything."""
    asked = [{"what": "crossings"}, {"what": "counts", "resolution": "minute"}, {"what": "counts", "resolution": "day"}]
    before = [rows_of(exported(engine, files, **one)[1]) for one in asked]
    later_ns = BEGIN_NS + 800 * 86400 * 10**9
    rollups.run_due(engine, now_ns=later_ns)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("delete from outbox_crossings"))  # the broker was told
    steps = run_due(engine, files, now_ns=later_ns)
    assert {step.action for step in steps} >= {"pack", "archive"}
    assert [step.error for step in steps if step.error] == []
    after = [rows_of(exported(engine, files, **one)[1]) for one in asked]
    for was, now in zip(before, after, strict=True):
        assert was
        assert sorted(map(tuple, (row.items() for row in now))) == sorted(map(tuple, (row.items() for row in was)))
