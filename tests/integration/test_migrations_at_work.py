"""Migrations of a database that somebody uses, that somebody else migrates too, or that are cut short."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from actors.sinks.postgres import PostgresStore
from schema.database import migrate, migrating, migration_status, open_engine, validate
from schema.database.engine import make_engine
from schema.database.roles import prepare_roles
from schema.errors import BadInput, Permanent, StoreUnavailable
from tests.contracts.stores import PostgresUnderTest
from tests.integration.previous import Previous

pytestmark = pytest.mark.integration

_TABLES = """
    select attrelid::regclass::text, attname, atttypid::regtype::text from pg_attribute
    join pg_class c on c.oid = attrelid
    where c.relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped order by 1, attnum
"""


@pytest.fixture
def empty(services) -> Iterator[str]:
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute("create database at_work")
        yield urlunsplit(urlsplit(services.postgres.url)._replace(path="/at_work"))
        connection.execute("drop database at_work with (force)")


@pytest.fixture
def previous(tmp_path: Path, services, empty: str) -> Previous:
    """The previous release and its database, in which there is a camera with crossings."""
    previous = Previous(tmp_path / "previous", empty, services.rabbitmq.url)
    assert previous.ask("make") == "0001"
    return previous


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks for a moment only."""
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT_S", 0)
    monkeypatch.setattr(migrating, "_PATIENCE", "set local lock_timeout = '200ms'")


def tables(dsn: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(_TABLES).fetchall()


def test_several_programs_that_migrate_at_once_do_it_once(previous: Previous, empty: str):
    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(migrate, [empty] * 3))
    assert all(status.is_current for status in statuses)
    assert validate(empty) == ()


def test_a_migration_that_is_killed_leaves_the_database_as_it_was(previous: Previous, empty: str):
    done = previous.ask("begin")
    before = tables(empty)
    with psycopg.connect(empty) as reader:
        reader.execute("select count(*) from camera_events")
        process = subprocess.Popen(
            [sys.executable, "-c", "import sys; from schema.database import migrate; migrate(sys.argv[1])", empty]
        )
        _until(lambda: _waits_for_a_lock(empty))
        process.kill()
        process.wait()
    assert tables(empty) == before
    assert migration_status(empty).current == "0001"
    assert previous.ask("read", str(done["camera_id"])) == done["read"]
    assert migrate(empty).is_current
    assert previous.ask("read", str(done["camera_id"])) == done["read"]


def test_the_previous_release_goes_on_counting_while_its_database_is_migrated(previous: Previous, empty: str):
    camera_id = previous.ask("begin")["camera_id"]
    process = previous.start("store", str(camera_id), "100")
    _until(lambda: _count(empty) > 60)
    assert migrate(empty).is_current
    migrated = _count(empty)
    _until(lambda: _count(empty) > migrated + 50)
    stored = previous.end(process)
    assert _count(empty) == 40 + stored
    _start_anew(empty)
    assert validate(empty) == ()
    engine, store = open_engine(empty), PostgresStore(empty)
    assert PostgresUnderTest(store, engine).camera().id > camera_id
    store.close()
    engine.dispose()


def _start_anew(dsn: str) -> None:
    """What a private server does at every start: a partition that the old release made meanwhile gets its owner."""
    engine = make_engine(dsn, pool_size=1, role=None)
    with engine.begin() as connection:
        prepare_roles(connection)
    engine.dispose()


def test_who_is_in_the_way_of_a_migration_is_named_and_nothing_is_changed(
    previous: Previous, empty: str, impatient: None
):
    before, pauses = tables(empty), []
    with psycopg.connect(empty, application_name="a long report") as reader:
        reader.execute("select count(*) from crossings")
        said = rf"process {reader.info.backend_pid} \(a long report\) has held a transaction open for \d+ s; end it"
        with pytest.raises(StoreUnavailable, match=said) as raised:
            migrate(empty, sleep=pauses.append)
    assert "turnstile:" not in str(raised.value)
    assert pauses == [1.0, 2.0, 4.0]
    assert tables(empty) == before


def test_a_migration_tries_again_when_a_table_was_in_use(previous: Previous, empty: str, impatient: None):
    reader = psycopg.connect(empty)
    reader.execute("select count(*) from crossings")
    assert migrate(empty, sleep=lambda _: reader.close()).is_current


def test_a_migration_that_loses_rows_is_undone(previous: Previous, empty: str, monkeypatch: pytest.MonkeyPatch):
    previous.ask("begin")
    before, upgrade = tables(empty), migrating.command.upgrade

    def lossy(config, revision: str) -> None:
        upgrade(config, revision)
        config.attributes["connection"].exec_driver_sql("delete from crossings where track_id < 2; delete from leases")
        config.attributes["connection"].exec_driver_sql("delete from zone_totals")

    monkeypatch.setattr(migrating.command, "upgrade", lossy)
    with pytest.raises(Permanent, match=r"undone.* crossings had 40 rows and has 38; zone_totals had 1 rows and has 0"):
        migrate(empty)
    assert tables(empty) == before


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("alter table zones add constraint odd check (version < 9) not valid", "constraint odd of zones was never"),
        ("alter table cameras add column odd integer", "remove column cameras.odd"),
        ("drop index ix_coverage_camera_id_from_at", "add index ix_coverage_camera_id_from_at"),
        ("drop table crossings_default", "table crossings has no default partition"),
        ("alter table zones no force row level security", "table zones holds rows of tenants and row security is not"),
        ("create table odd (id int)", "table odd does not belong to turnstile_migrator"),
        (
            "create index odd on only crossings (track_id)",
            "index odd of crossings is unfinished: drop it and make it again",
        ),
    ],
)
def test_what_is_wrong_with_a_database_is_said_in_a_sentence(empty: str, harm: str, says: str):
    migrate(empty)
    assert validate(empty) == ()
    with psycopg.connect(empty) as connection:
        connection.execute(harm)
    assert any(says in flaw for flaw in validate(empty))


def test_a_database_of_the_previous_release_is_not_validated_but_to_be_migrated(previous: Previous, empty: str):
    with pytest.raises(BadInput, match=r"is at 0001, not at .*: run 'turnstile db migrate'"):
        validate(empty)


def _count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select count(*) from crossings").fetchone()[0]


def _waits_for_a_lock(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select exists (select from pg_locks where not granted)").fetchone()[0]


def _until(happened: Callable[[], bool], patience_s: float = 60) -> None:
    deadline_s = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.05)
