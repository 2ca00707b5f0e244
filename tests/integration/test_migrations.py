from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from alembic import command
from sqlalchemy import text

from schema.database import migrate, migration_config, migration_status
from schema.database.engine import make_engine
from schema.errors import BadInput
from schema.partitions import ensure_partitions, period_of
from schema.tables import Base

pytestmark = pytest.mark.integration


@pytest.fixture
def empty(services) -> Iterator[str]:
    """The address of a database without anything in it."""
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute("create database migrations")
        yield urlunsplit(urlsplit(services.postgres.url)._replace(path="/migrations"))
        connection.execute("drop database migrations with (force)")


def test_an_empty_database_is_brought_to_the_newest_revision(empty: str):
    before = migration_status(empty)
    assert before.current is None
    assert before.pending
    after = migrate(empty)
    assert after.is_current
    assert migrate(empty) == after == migration_status(empty)


def test_the_tables_are_what_the_models_say_even_with_partitions(empty: str):
    migrate(empty)
    engine = make_engine(empty, pool_size=1, role=None)
    ensure_partitions(engine, "crossings", [period_of("crossings", 1_800_000_000 * 10**9)])
    with engine.begin() as connection:
        command.check(migration_config(connection))
    engine.dispose()


_CATALOGUE = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace and contype <> 't' and not exists (
        select from pg_class where pg_class.oid = conrelid and relispartition)
    union all
    select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' and not exists (
        select from pg_class where pg_class.oid = format('%I', tablename)::regclass and relispartition)
    union all
    select oid::regclass::text, 'with', reloptions::text from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
"""


def test_constraints_and_indexes_are_what_the_models_say_to_the_letter(empty: str):
    engine = make_engine(empty, pool_size=1, role=None)
    found = []
    for make in (lambda: migrate(empty), lambda: Base.metadata.create_all(engine)):
        make()
        with engine.begin() as connection:
            rows = connection.execute(text(_CATALOGUE)).all()
            found.append({tuple(row) for row in rows if not row[0].startswith("alembic")})
            connection.execute(text("drop schema public cascade"))
            connection.execute(text("create schema public"))
    engine.dispose()
    assert found[0] == found[1]
    assert len(found[0]) > 60


def test_going_back_leaves_nothing_and_can_be_repeated(empty: str):
    migrate(empty)
    engine = make_engine(empty, pool_size=1, role=None)
    with engine.begin() as connection:
        command.downgrade(migration_config(connection), "base")
    with engine.begin() as connection:
        left = connection.scalars(
            text("select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'public'")
        )
        assert set(left) <= {"alembic_version", "alembic_version_pkc"}
    engine.dispose()
    assert migrate(empty).is_current


def test_a_database_of_a_newer_version_is_left_alone(empty: str):
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(BadInput, match=r"revision 9999.*upgrade turnstile"):
        migrate(empty)


@pytest.mark.parametrize(
    ("dsn", "says"),
    [
        ("postgresql://someone:secret@127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1 does not take us: Connection refused"),
        ("mysql://someone:secret@127.0.0.1/x", "only postgresql:// will do"),
        ("no address", "write it like postgresql://"),
    ],
)
def test_a_wrong_address_is_one_sentence_without_the_password(dsn: str, says: str):
    with pytest.raises(BadInput, match=says) as raised:
        migrate(dsn)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_month_has_its_partition_and_an_odd_date_the_default_one(empty: str):
    migrate(empty)
    engine = make_engine(empty, pool_size=1, role=None)
    months = [period_of("camera_events", ns) for ns in (0, 1_796_083_200 * 10**9)]
    ensure_partitions(engine, "camera_events", months)
    ensure_partitions(engine, "camera_events", months)
    with engine.begin() as connection:
        names = connection.scalars(text("select relname from pg_class where relispartition and relkind = 'r'"))
        assert {name for name in names if name.startswith("camera_events")} == {
            "camera_events_default",
            "camera_events_2026_12",
        }
    engine.dispose()
