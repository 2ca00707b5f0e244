"""People and their sessions, models and their log, alerts: on a real database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from schema.crypto import USER_EMAIL
from schema.database import across_tenants, open_engine, owner_transaction, transaction
from schema.errors import AlreadyExists, BadInput, NotFound
from schema.queries import alerts, cameras, models, tenants, user_sessions, users
from schema.queries.alerts import Alert
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID, Tenant
from schema.times import to_datetime, to_text
from schema.users import User

pytestmark = pytest.mark.integration

S = 10**9
NOW_NS = 1_800_000_000 * S
DAY_S = 86_400


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    with owner_transaction(engine) as session:
        session.execute(text("truncate users, ai_models, cameras cascade"))


@pytest.fixture(scope="module")
def neighbour(engine: Engine) -> int:
    """Another tenant's id."""
    with owner_transaction(engine) as session:
        return tenants.add(session, Tenant(name="neighbour")).id


# People and sessions


def test_somebody_is_found_by_name_and_by_email_in_any_letter_case(engine: Engine):
    ada = User(username="ada", email="Ada@Example.org", role="operator", password_hash="argon")
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        stored = users.add(session, ada)
        assert users.by_name(session, "ada") == users.by_email(session, " ada@example.ORG ") == stored
        assert users.by_name(session, "bob") is users.by_email(session, "bob@example.org") is None
    assert stored.email == "Ada@Example.org"
    assert "example" not in repr(stored).lower()


def test_an_email_address_lies_sealed_in_the_table(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        users.add(session, User(username="ada", email="ada@example.org"))
        row = session.execute(text(f"select {USER_EMAIL.column}, {USER_EMAIL.index} from users")).one()
    assert not any(b"ada" in value for value in row)


def test_name_and_email_are_unique_in_a_tenant_and_free_in_another(engine: Engine, neighbour: int):
    ada = User(username="ada", email="ada@example.org")
    for tenant_id in (DEFAULT_TENANT_ID, neighbour):
        with transaction(engine, tenant_id) as session:
            users.add(session, ada)
            with pytest.raises(AlreadyExists, match="'ada'"):
                users.add(session, User(username="ada"))
            with pytest.raises(AlreadyExists, match="e-mail"):
                users.add(session, User(username="ada2", email="ADA@example.org"))
            users.add(session, User(username=f"of-{tenant_id}"))


@pytest.mark.parametrize("user", [User(username=""), User(username="a b"), User(username="ada", email="nowhere")])
def test_an_unusable_name_or_address_is_refused(engine: Engine, user: User):
    with transaction(engine, DEFAULT_TENANT_ID) as session, pytest.raises(BadInput, match=r"usable|not one"):
        users.add(session, user)


def test_a_token_finds_its_session_and_tenant_until_it_expires(engine: Engine, neighbour: int):
    with transaction(engine, neighbour) as session:
        ada = users.add(session, User(username="ada", role="analyst"))
        opened = user_sessions.create(
            session, ada.id, now_ns=NOW_NS, ttl_s=DAY_S, ip_address="10.0.0.9", user_agent="browser"
        )
        users.note_login(session, ada.id, now_ns=NOW_NS)
    with across_tenants(engine) as session:
        found = user_sessions.find(session, opened.token, now_ns=NOW_NS + S)
        assert found is not None
        assert (found.tenant_id, found.user_id, found.username, found.role) == (neighbour, ada.id, "ada", "analyst")
        assert user_sessions.find(session, opened.token, now_ns=NOW_NS + DAY_S * S) is None
        assert user_sessions.find(session, opened.token + "x", now_ns=NOW_NS) is None
    assert opened.token not in repr(opened)


def test_a_revoked_session_and_one_of_somebody_barred_are_over(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        ada = users.add(session, User(username="ada"))
        one, two, three = (user_sessions.create(session, ada.id, now_ns=NOW_NS, ttl_s=60) for _ in range(3))
        assert user_sessions.revoke(session, one.id, now_ns=NOW_NS)
        assert not user_sessions.revoke(session, one.id, now_ns=NOW_NS)
        barred = users.add(session, User(username="eve", is_active=False))
        four = user_sessions.create(session, barred.id, now_ns=NOW_NS, ttl_s=60)
    with across_tenants(engine) as session:
        found = [user_sessions.find(session, one_of.token, now_ns=NOW_NS) for one_of in (one, two, three, four)]
    assert [session is not None for session in found] == [False, True, True, False]
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert user_sessions.revoke_all(session, ada.id, now_ns=NOW_NS) == 2


def test_expired_sessions_are_forgotten_in_all_tenants(engine: Engine, neighbour: int):
    for tenant_id in (DEFAULT_TENANT_ID, neighbour):
        with transaction(engine, tenant_id) as session:
            ada = users.add(session, User(username="ada"))
            for ttl_s in (10, 1000):
                user_sessions.create(session, ada.id, now_ns=NOW_NS, ttl_s=ttl_s)
    with across_tenants(engine) as session:
        assert user_sessions.forget_expired(session, before_ns=NOW_NS + 100 * S) == 2
        assert session.scalar(text("select count(*) from user_sessions")) == 2


def test_the_system_sees_no_secret_of_people(engine: Engine):
    with across_tenants(engine) as session, pytest.raises(Exception, match="permission denied for table users"):
        session.execute(text("select password_hash from users"))


# Models


def test_one_model_counts_at_a_time_and_the_log_says_since_when(engine: Engine):
    with across_tenants(engine) as session:
        assert models.active(session) is None
        first = models.register(session, name="yolo11n", version="aa", config={"width": 640})
        second = models.register(session, name="ssdlite", version="bb", config={})
        assert models.register(session, name="yolo11n", version="aa", config={"width": 320}) == first
        assert models.activate(session, first, now_ns=NOW_NS)
        assert not models.activate(session, first, now_ns=NOW_NS + S)
        assert models.activate(session, second, now_ns=NOW_NS + 2 * S)
        active = models.active(session)
        assert active is not None
        assert (active.name, active.version, active.activated_ns) == ("ssdlite", "bb", NOW_NS + 2 * S)
        assert models.activate(session, first, now_ns=NOW_NS + 4 * S)
        statuses = {model.name: model.status for model in models.listing(session)}
        logs = [(log.log_type, log.at_ns) for log in models.logs(session, first)]
    assert statuses == {"yolo11n": "active", "ssdlite": "retired"}
    assert logs == [("activated", NOW_NS + 4 * S), ("retired", NOW_NS + 2 * S), ("activated", NOW_NS)]


def test_every_tenant_may_read_of_models_and_none_may_change_them(engine: Engine, neighbour: int):
    with across_tenants(engine) as session:
        models.register(session, name="yolo11n", version="aa", config={})
    with transaction(engine, neighbour) as session:
        assert [model.name for model in models.listing(session)] == ["yolo11n"]
        with pytest.raises(Exception, match="permission denied for table ai_models"):
            models.register(session, name="mine", version="", config={})


# Alerts


def lost(camera: Camera | None = None, raised_ns: int = NOW_NS) -> Alert:
    camera_id = None if camera is None else camera.id
    return Alert(type="gone", severity="warning", message="It is gone", raised_ns=raised_ns, camera_id=camera_id)


def test_what_an_alert_is_open_for_is_not_raised_again(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.add(session, Camera(name="lobby", source="x.mp4"))
        for about in (None, camera):
            first = alerts.raise_(session, lost(about))
            assert first is not None
            assert alerts.raise_(session, lost(about)) is None
        assert alerts.resolve(session, "gone", now_ns=NOW_NS + S)
        assert not alerts.resolve(session, "gone", now_ns=NOW_NS + S)
        assert alerts.raise_(session, lost(raised_ns=NOW_NS + 2 * S)) is not None
        assert [(one.camera_id, one.raised_ns) for one in alerts.listing(session, open_only=True)] == [
            (None, NOW_NS + 2 * S),
            (camera.id, NOW_NS),
        ]
        assert len(alerts.listing(session)) == 3
        assert [one.camera_id for one in alerts.listing(session, camera_id=camera.id)] == [camera.id]
        assert alerts.listing(session, before_ns=NOW_NS) == []


def test_others_hear_of_an_alert_when_it_opens_and_when_it_is_resolved(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        session.execute(text("delete from outbox"))
        alert_id = alerts.raise_(session, lost())
        alerts.raise_(session, lost())
        alerts.resolve(session, "gone", now_ns=NOW_NS + S)
        told = session.execute(text("select exchange, routing_key, body from outbox order by id")).all()
    assert {(row.exchange, row.routing_key) for row in told} == {("turnstile.alerts", "warning.gone")}
    assert [row.body["state"] for row in told] == ["open", "resolved"]
    assert told[1].body["alert_id"] == alert_id
    assert told[1].body["raised_at"].startswith(to_text(NOW_NS)[:19])


def test_whoever_acknowledges_an_alert_first_stays(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        ada, bob = (users.add(session, User(username=name)) for name in ("ada", "bob"))
        alert_id = alerts.raise_(session, lost())
        assert alert_id is not None
        alerts.acknowledge(session, alert_id, user_id=ada.id, now_ns=NOW_NS + S)
        known = alerts.acknowledge(session, alert_id, user_id=bob.id, now_ns=NOW_NS + 2 * S)
        assert (known.acknowledged_by, known.acknowledged_ns, known.resolved_ns) == (ada.id, NOW_NS + S, None)
        with pytest.raises(NotFound, match="no alert 0"):
            alerts.acknowledge(session, 0, user_id=ada.id, now_ns=NOW_NS)


def test_a_camera_that_stays_away_raises_an_alert_that_its_return_resolves(engine: Engine, neighbour: int):
    with transaction(engine, neighbour) as session:
        camera = cameras.add(session, Camera(name="gate", source="rtsp://gate"))
        cameras.add(session, Camera(name="fine", source="rtsp://fine"))

    def heard(status: str, at_ns: int, then_ns: int) -> list[Alert]:
        with transaction(engine, neighbour) as session:
            session.execute(
                text("update cameras set status = :status, status_at = :at where id = :id"),
                {"status": status, "at": to_datetime(at_ns), "id": camera.id},
            )
        with across_tenants(engine) as session:
            alerts.follow_cameras(session, now_ns=then_ns, patience_s=30)
        with transaction(engine, neighbour) as session:
            return alerts.listing(session, open_only=True)

    assert heard("lost", NOW_NS, NOW_NS + 29 * S) == [], "cameras come and go for a moment"
    (alert,) = heard("lost", NOW_NS, NOW_NS + 31 * S)
    assert (alert.type, alert.camera_id, alert.severity) == (alerts.CAMERA_OFFLINE, camera.id, "warning")
    assert "gate" in alert.message
    assert heard("refused", NOW_NS + 5 * S, NOW_NS + 99 * S) == [alert]
    assert heard("connected", NOW_NS + 100 * S, NOW_NS + 101 * S) == []
    assert len(heard("lost", NOW_NS + 200 * S, NOW_NS + 300 * S)) == 1
    with transaction(engine, neighbour) as session:
        cameras.remove(session, camera.id)
    assert heard("lost", NOW_NS + 200 * S, NOW_NS + 400 * S) == [], "nobody waits for a removed camera"


# Tenants


def test_a_tenant_that_does_not_exist_is_answered_with_those_that_do(engine: Engine, neighbour: int):
    with across_tenants(engine) as session, pytest.raises(NotFound, match="'nobody': there are 'default', 'neighbour'"):
        tenants.by_name(session, "nobody")


def test_a_tenant_is_added_once_and_keeps_what_it_is_told(engine: Engine):
    with owner_transaction(engine) as session:
        added = tenants.add(session, Tenant(name="museum", hot_days=7))
        tenants.change(session, Tenant(name="museum", hot_days=8, evidence_days=2))
        changed = tenants.by_name(session, "museum")
        with pytest.raises(AlreadyExists, match="'museum'"):
            tenants.add(session, Tenant(name="museum"))
    assert (added.hot_days, changed.hot_days, changed.evidence_days, changed.id) == (7, 8, 2, added.id)


@pytest.mark.parametrize(
    "tenant",
    [
        Tenant(name="a b"),
        Tenant(name=""),
        Tenant(name="x", hot_days=0),
        Tenant(name="x", warm_days=1),
        Tenant(name="x", evidence_days=0),
    ],
)
def test_an_impossible_tenant_is_refused_with_the_fix(engine: Engine, tenant: Tenant):
    with owner_transaction(engine) as session, pytest.raises(BadInput, match=r"take 1 to 64|give (at least )?1"):
        tenants.add(session, tenant)
