"""The audit trail is only added to, and whatever is altered in it is found and named."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from schema.database import Acting, auditing, owner_transaction, transaction
from schema.queries import audit, cameras
from schema.queries.audit import Verdict
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID as TENANT
from tests.integration.audited import add_cameras, attempt, audited_database, trail, verdict

pytestmark = pytest.mark.integration

EVERYBODY = ("turnstile_app", "turnstile_system", "turnstile_analyst", "turnstile_auditor", "turnstile_migrator")


@pytest.fixture
def engine(services, migrated_template: str) -> Iterator[Engine]:
    with audited_database(services.postgres.url, migrated_template) as engine:
        yield engine


@pytest.fixture
def superuser(engine: Engine) -> Iterator[psycopg.Connection]:
    dsn = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # no trigger stops it
        yield connection


@pytest.mark.parametrize("role", EVERYBODY)
def test_nobody_can_alter_the_trail(engine: Engine, role: str):
    add_cameras(engine, 1)
    for table in ("audit_logs", f"audit_logs_{datetime.now(UTC):%Y_%m}"):
        for statement in (f"update {table} set program = 'x'", f"delete from {table}", f"truncate {table}"):
            with pytest.raises(DBAPIError, match=r"permission denied|only added to"):
                attempt(engine, role, statement)
    assert verdict(engine).entries == 1


@pytest.mark.parametrize("role", EVERYBODY[:-1])
def test_nobody_can_add_to_the_trail_but_by_a_change(engine: Engine, role: str):
    for statement in (
        "insert into audit_logs (position, table_name, action, program, login, timestamp, previous_hash, hash)"
        " values (9, 'cameras', 'insert', '', '', now(), '', '')",
        "update audit_chains set position = 0",
        "delete from audit_origins",
        "select audit_write(1, 'cameras', 'insert', 1, null, null)",
        "select audit_release('audit_logs_default')",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            attempt(engine, role, statement)


@pytest.mark.parametrize(
    ("tamper", "fault", "position"),
    [
        ("update audit_logs set user_id = 8 where position = 3", "changed", 3),
        ("update audit_logs set new = '{}' where position = 1", "changed", 1),
        ("update audit_logs set timestamp = timestamp - interval '1 second' where position = 4", "changed", 4),
        ("delete from audit_logs where position = 2", "missing", 2),
        ("delete from audit_logs where position = 1", "missing", 1),
        ("delete from audit_logs where position = 5", "missing", 5),
        ("delete from audit_chains", "missing", 0),
        ("update audit_logs set position = 7 - position where position in (3, 4)", "reordered", 3),
        (
            "delete from audit_logs where position = 2;"
            " update audit_logs set position = position - 1 where position > 2;"
            " update audit_chains set position = 4",
            "reordered",
            2,
        ),
        ("update audit_chains set hash = sha256('x')", "changed", 5),
    ],
)
def test_what_a_superuser_alters_is_found_and_named(
    engine: Engine, superuser: psycopg.Connection, tamper: str, fault: str, position: int
):
    add_cameras(engine, 5)
    assert verdict(engine).broken is None
    superuser.execute(tamper)
    broken = verdict(engine).broken
    assert broken is not None
    assert (broken.fault, broken.position) == (fault, position)


def test_a_chain_that_was_computed_anew_does_not_fit_what_was_noted(engine: Engine, superuser: psycopg.Connection):
    add_cameras(engine, 2)
    noted = verdict(engine).head
    assert noted is not None

    def compare() -> Verdict:
        with auditing(engine, TENANT) as session:
            return audit.verify(session, TENANT, noted=noted)

    add_cameras(engine, 1, "later")
    assert compare().broken is None
    superuser.execute("truncate audit_logs, audit_chains")
    assert str(compare().broken) == "where the chain ends is not known any more"
    add_cameras(engine, 1, "forged")
    assert str(compare().broken) == "entry 2 is missing"
    add_cameras(engine, 2, "forged-too")
    assert verdict(engine).broken is None
    broken = compare().broken
    assert broken is not None
    assert (broken.fault, broken.position) == ("changed", 2)


def test_concurrent_writers_make_one_unbroken_chain(engine: Engine):
    found = add_cameras(engine, 4)
    failures: list[BaseException] = []

    def edit(camera: Camera) -> None:
        try:
            for turn in range(10):
                with transaction(engine, TENANT, acting=Acting(user_id=camera.id, ip_address="10.0.0.1")) as session:
                    cameras.change(session, replace(camera, friendly_name=str(turn)))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=edit, args=(camera,)) for camera in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    entries = trail(engine)
    assert [entry.position for entry in entries] == list(range(1, 45))
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert verdict(engine).entries == 44


def test_writers_of_each_others_cameras_do_not_wait_in_a_circle(engine: Engine):
    one, two = add_cameras(engine, 2)
    first_is_done, second_is_done = threading.Event(), threading.Event()

    def edit_both() -> None:
        with transaction(engine, TENANT) as session:
            cameras.change(session, replace(one, friendly_name="x"))
            first_is_done.set()
            second_is_done.wait(10)
            cameras.change(session, replace(two, friendly_name="x"))

    thread = threading.Thread(target=edit_both)
    thread.start()
    first_is_done.wait(10)
    with transaction(engine, TENANT) as session:
        cameras.change(session, replace(two, friendly_name="y"))
        second_is_done.set()
    thread.join()
    assert len(trail(engine)) == 5


def test_the_chain_begins_after_what_was_archived(engine: Engine):
    add_cameras(engine, 3)
    month = f"audit_logs_{datetime.now(UTC):%Y_%m}"
    with owner_transaction(engine) as session:
        session.execute(text(f"select audit_release('{month}')"))
        session.execute(text(f"alter table audit_logs detach partition {month}"))
        session.execute(text(f"drop table {month}"))
    add_cameras(engine, 1, "after")
    after = verdict(engine)
    assert after.head is not None
    assert (after.entries, after.head.position, after.broken) == (1, 4, None)


def test_a_partition_that_is_taken_out_without_a_word_is_missed(engine: Engine):
    add_cameras(engine, 3)
    with owner_transaction(engine) as session:
        session.execute(text(f"alter table audit_logs detach partition audit_logs_{datetime.now(UTC):%Y_%m}"))
    broken = verdict(engine).broken
    assert broken is not None
    assert (broken.fault, broken.position) == ("missing", 1)
