"""Every change of configuration and identity leaves a trace that nobody can alter unseen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from schema.crypto import CAMERA_SOURCE
from schema.database import Acting, auditing, owner_transaction, transaction
from schema.geometry import Scene, parse_line
from schema.queries import audit, cameras
from schema.queries.audit import Verdict
from schema.queries.cameras import Camera
from schema.tables import Base
from schema.tenants import DEFAULT_TENANT_ID as TENANT
from tests.integration.audited import ADDRESS, SOMEBODY, add_cameras, attempt, audited_database, trail, verdict

pytestmark = pytest.mark.integration

AUDITED = ("ai_models", "cameras", "tenants", "user_sessions", "users", "zones")
IGNORED = {"cameras": {"status", "status_at"}, "users": {"last_login_at"}, "user_sessions": {"last_seen_at"}}


@pytest.fixture
def engine(services, migrated_template: str) -> Iterator[Engine]:
    with audited_database(services.postgres.url, migrated_template) as engine:
        yield engine


def test_a_change_says_who_when_from_where_and_what(engine: Engine):
    begun = datetime.now(UTC)
    (camera,) = add_cameras(engine, 1)
    with transaction(engine, TENANT, acting=SOMEBODY) as session:
        cameras.change(session, replace(camera, friendly_name="Hall", detect_fps=5))
    with transaction(engine, TENANT) as session:
        cameras.remove(session, camera.id)
    made, changed, removed = trail(engine)
    assert (made.table, made.action, made.record_id, made.user_id, made.ip_address, made.program) == (
        "cameras", "insert", camera.id, 7, "192.0.2.9", "turnstile",
    )  # fmt: skip
    assert begun < made.at < changed.at < datetime.now(UTC)
    assert made.old is None
    assert made.new is not None
    assert made.new["name"] == "camera-0"
    assert (changed.old, changed.new) == (
        {"friendly_name": "", "detect_fps": 8},
        {"friendly_name": "Hall", "detect_fps": 5},
    )
    assert (removed.user_id, removed.ip_address) == (None, None)
    assert removed.new is not None
    assert set(removed.new) == {"enabled", "removed_at", "source_sealed"}


def insert_user(session: Session, name: str = "joe") -> int:
    return session.execute(
        text("insert into users (username, password_hash) values (:name, 'scrypt$abc') returning id"), {"name": name}
    ).scalar_one()


def insert_session(session: Session) -> int:
    return session.execute(
        text(
            "insert into user_sessions (user_id, token_hash, created_at, expires_at, last_seen_at, ip_address)"
            " values (:user, sha256('t'), now(), now() + interval '1 day', now(), '198.51.100.4') returning id"
        ),
        {"user": insert_user(session, "ann")},
    ).scalar_one()


def insert_camera(session: Session) -> int:
    return cameras.add(session, Camera(name="hall", source=ADDRESS)).id


def insert_zone(session: Session) -> int:
    scene = Scene(lines=(parse_line("door=0.5,0,0.5,1"),))
    return cameras.add(session, Camera(name="yard", source="a.mp4", scene=scene)).scene.lines[0].id


def insert_tenant(session: Session) -> int:
    session.execute(text("set local role turnstile_migrator"))
    return session.execute(text("insert into tenants (name) values ('other') returning id")).scalar_one()


def insert_model(session: Session) -> int:
    session.execute(text("set local role turnstile_migrator"))
    return session.execute(text("insert into ai_models (name, version) values ('m', '1') returning id")).scalar_one()


@pytest.mark.parametrize(
    ("table", "insert", "change"),
    [
        ("cameras", insert_camera, "friendly_name = 'x'"),
        ("zones", insert_zone, "flip = true"),
        ("users", insert_user, "role = 'admin'"),
        ("user_sessions", insert_session, "revoked_at = now()"),
        ("tenants", insert_tenant, "hot_days = 5"),
        ("ai_models", insert_model, "config = '{\"a\": 1}'"),
    ],
)
def test_every_audited_table_writes_the_trail(
    engine: Engine, table: str, insert: Callable[[Session], int], change: str
):
    with transaction(engine, TENANT, acting=SOMEBODY) as session:
        record_id = insert(session)
        session.execute(text(f"update {table} set {change} where id = {record_id}"))
    of_tenant = {"tenants": record_id, "ai_models": None}.get(table, TENANT)
    made, changed = (
        entry for entry in trail(engine, of_tenant) if (entry.table, entry.record_id) == (table, record_id)
    )
    column = change.partition(" ")[0]
    for entry, action in ((made, "insert"), (changed, "update")):
        assert (entry.action, entry.user_id, entry.ip_address) == (action, 7, "192.0.2.9")
    assert changed.old is not None
    assert changed.new is not None
    assert (set(changed.old), set(changed.new)) == ({column}, {column})
    assert changed.old != changed.new
    assert verdict(engine, of_tenant).broken is None


def test_secrets_and_personal_data_are_marked_but_not_copied(engine: Engine):
    with transaction(engine, TENANT, acting=SOMEBODY) as session:
        insert_session(session)
        insert_camera(session)
        session.execute(text("update users set password_hash = 'scrypt$def', username = 'anna'"))
        session.execute(text("update cameras set source = 'rtsp://joe:other@10.0.0.1/1'"))
    entries = trail(engine)
    changed = {"changed": True}
    assert entries[-2].new == {"username": changed, "password_hash": changed}
    assert entries[-1].new == {"source": changed}
    with auditing(engine, TENANT) as session:
        everything = str(session.execute(text("select audit_logs::text from audit_logs")).all())
    for secret in ("scrypt", "ann", "joe", "geheim", "198.51.100.4", "192.0.2.9", "rtsp"):
        assert secret not in everything


def test_what_a_camera_reports_is_not_recorded(engine: Engine):
    (camera,) = add_cameras(engine, 1)
    with transaction(engine, TENANT) as session:
        session.execute(text("update cameras set status = 'lost', status_at = now()"))
        cameras.change(session, camera)
    assert len(trail(engine)) == 1


def test_every_column_is_either_watched_or_known_to_be_no_configuration(engine: Engine):
    with owner_transaction(engine) as session:
        watched = session.execute(
            text(
                "select tgrelid::regclass::text, array(select attname::text from pg_attribute"
                " where attrelid = tgrelid and attnum = any (tgattr)) from pg_trigger where tgname = 'audit'"
            )
        ).all()
    assert sorted(name for name, _ in watched) == list(AUDITED)
    for name, columns in watched:
        assert set(columns) | IGNORED.get(name, set()) == {column.name for column in Base.metadata.tables[name].columns}


def test_the_hot_path_is_free_of_the_trail(engine: Engine):
    with owner_transaction(engine) as session:
        recorded = session.scalars(
            text("select distinct tgrelid::regclass::text from pg_trigger where tgfoid = 'audit_change'::regproc")
        )
        assert set(recorded) == set(AUDITED)


def test_the_auditor_reads_the_trail_of_one_tenant_and_nothing_secret(engine: Engine):
    with owner_transaction(engine) as session:
        other = session.execute(text("insert into tenants (name) values ('other') returning id")).scalar_one()
    add_cameras(engine, 2)
    assert {entry.table for entry in trail(engine, other)} == {"tenants"}
    with auditing(engine, other) as session:
        assert session.scalar(text("select count(*) from audit_logs")) == 1
    for table in ("cameras", "users", "user_sessions", "crossings"):
        with pytest.raises(DBAPIError, match="permission denied"), auditing(engine, TENANT) as session:
            session.execute(text(f"select * from {table}"))
    for role in ("turnstile_app", "turnstile_analyst", "turnstile_system"):
        with pytest.raises(DBAPIError, match="permission denied"):
            attempt(engine, role, "select * from audit_logs")


def test_a_look_at_a_secret_is_recorded(engine: Engine):
    (camera,) = add_cameras(engine, 1)
    with transaction(engine, TENANT, acting=SOMEBODY) as session:
        audit.record_read(session, CAMERA_SOURCE, camera.id)
    seen = trail(engine)[-1]
    assert (seen.table, seen.action, seen.record_id, seen.user_id) == ("cameras", "read", camera.id, 7)
    assert seen.new == {"what": "camera addresses with credentials"}
    assert verdict(engine).broken is None


def test_an_erased_person_leaves_a_number_and_the_chain_holds(engine: Engine):
    add_cameras(engine, 2)
    with transaction(engine, TENANT, acting=Acting(user_id=8, ip_address="192.0.2.10")) as session:
        insert_user(session)
    with transaction(engine, TENANT) as session:
        assert audit.forget(session, 7) == 1
    entries = trail(engine)
    assert [(entry.user_id, entry.ip_address) for entry in entries] == [
        (7, None), (7, None), (8, "192.0.2.10"), (None, None),
    ]  # fmt: skip
    assert (entries[-1].action, entries[-1].record_id) == ("erase", 7)
    assert verdict(engine).broken is None


def test_a_change_that_is_rolled_back_leaves_no_trace(engine: Engine):
    with transaction(engine, TENANT) as session:
        insert_camera(session)
        session.rollback()
    assert trail(engine) == []
    assert verdict(engine) == Verdict(entries=0, head=None)
