"""A person's data is handed out whole, and erased everywhere, whatever comes in between."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from cluster.cli import run
from schema.cache.client import Cache
from schema.database import auditing, owner_transaction, transaction
from schema.errors import BadInput, NotFound
from schema.names import ALERTS_QUEUE, DEAD_LETTER_QUEUE
from schema.privacy import erasing
from schema.privacy.inventory import INVENTORY
from schema.queries import alerts, audit, jobs, tenants, user_sessions, users
from schema.queries.alerts import Alert
from schema.tenants import DEFAULT_TENANT_ID as TENANT
from schema.tenants import Tenant
from schema.users import User
from tests.integration.job_bench import JobBench
from tests.integration.personal import ADDRESSES, BROWSER, EMAIL, NAME, NEEDLES, PASSWORD, Queued, World, world

pytestmark = pytest.mark.integration

NOW_NS = 1_800_000_000 * 10**9
Turnstile = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fresh_dsn(services, migrated_template: str) -> Iterator[str]:
    """A database of its own: the audit trail cannot be emptied."""
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute(f"create database personal template {migrated_template}")
        yield services.postgres.url.rpartition("/")[0] + "/personal"
        connection.execute("drop database personal with (force)")


@pytest.fixture
def empty(services, fresh_dsn: str, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "files").mkdir()
    with world(services, fresh_dsn, tmp_path / "files") as made:
        JobBench(fresh_dsn, made.amqp_url, made.engine).empty_broker()
        Cache(made.redis_url).ask(lambda redis: redis.flushdb())
        yield made


@pytest.fixture
def filled(empty: World) -> World:
    empty.fill()
    return empty


@pytest.fixture
def turnstile(
    empty: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Turnstile:
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "turnstile.yaml").write_text(
        json.dumps(
            {
                "postgres_dsn": empty.dsn,
                "redis_url": empty.redis_url,
                "amqp_url": empty.amqp_url,
                "storage": {"url": empty.folder.as_uri()},
            }
        )
    )
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def erase(made: World, user_id: int, **given: Any) -> erasing.Report:
    return erasing.erase(made.reach, TENANT, user_id, now_ns=NOW_NS, **given)


def assert_erased(made: World) -> Queued:
    """Nothing of her is left, nothing of anybody else is gone, and the trail holds; gives what lies in the queues."""
    queued = made.queued()
    assert made.found(queued=queued) == {"postgres": set(), "redis": set(), "queues": set(), "files": set()}
    with auditing(made.engine, TENANT) as session:
        assert audit.verify(session, TENANT).broken is None
    with owner_transaction(made.engine) as session:
        row = session.execute(text("select * from users where id = :id"), {"id": made.ada}).mappings().one()
        counted = session.execute(text("select count(*) from jobs where requested_by = :id"), {"id": made.boss})
        assert counted.scalar() == 1
    assert (row["username"], row["email_sealed"], row["email_index"], row["password_hash"], row["is_active"]) == (
        f"erased-{made.ada}", None, None, None, False,
    )  # fmt: skip
    assert row["erased_at"] is not None
    assert made.files.exists(made.shared["path"])
    assert not any(made.files.exists(one["path"]) for one in made.exports.values())
    assert all(made.session(token) is None for token in made.tokens)
    return queued


def assert_queues_kept_all_else(made: World, queued: Queued, *, twice: bool = False) -> None:
    told = [json.loads(body) for body in queued[ALERTS_QUEUE]]
    numbers = [one["n"] for one in told if "n" in one]
    assert sorted(set(numbers)) == list(range(1200))
    if not twice:
        assert numbers == sorted(numbers)
        assert len(numbers) == 1200
    assert {one["message"] for one in told if one.get("n", 1) % 2 == 0} == {"calm"}
    letters = [body.replace(f"erased-{made.ada}".encode(), NAME.encode()) for body in queued[DEAD_LETTER_QUEUE]]
    assert {letter.replace(b'":', b'": ').replace(b',"', b', "').replace(b":  ", b": ") for letter in letters} == set(
        made.letters
    )


def test_the_inventory_is_that_of_the_catalogue(empty: World):
    with owner_transaction(empty.engine) as session:
        columns = set(
            session.scalars(
                text(
                    "select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
                    " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm')"
                    " and not c.relispartition and a.attnum > 0 and not a.attisdropped"
                )
            )
        )
    listed = {f"{place.name}.{part}" for place in INVENTORY if place.store == "table" for part in place.parts}
    assert listed == columns - {"alembic_version.version_num"}


def test_nothing_of_an_erased_person_is_found_anywhere(filled: World):
    before = filled.found(queued={})
    assert before["postgres"] >= {NAME, *ADDRESSES, BROWSER, PASSWORD}
    assert before["redis"] == {NAME}
    report = erase(filled, filled.ada)
    assert_queues_kept_all_else(filled, assert_erased(filled))
    counts = {(each.where, each.what): each.count for each in report.done}
    assert counts == {
        ("table jobs", "open jobs cancelled"): 1,
        ("Redis session", "ended"): 2,
        ("files export", "deleted"): 2,
        ("table alerts", "name blotted out"): 2,
        ("table outbox", "name blotted out"): 1,
        (f"queue {ALERTS_QUEUE}", "name blotted out"): 602,
        (f"queue {DEAD_LETTER_QUEUE}", "name blotted out"): 2,
        ("table user_sessions", "deleted"): 2,
        ("table jobs", "deleted"): 4,
        ("table users", "name, e-mail address and password blotted out"): 1,
        ("table audit_origins", "deleted"): 2,
    }


def test_the_audit_trail_says_that_somebody_was_erased_and_not_who(filled: World):
    erase(filled, filled.ada, by=filled.boss)
    with auditing(filled.engine, TENANT) as session:
        entries = audit.listing(session, TENANT, limit=1000)
    (entry,) = (entry for entry in entries if entry.action == "erase")
    assert (entry.record_id, entry.user_id, entry.new and entry.new["addresses"]) == (filled.ada, filled.boss, 2)
    assert not any(needle in str(entries) for needle in NEEDLES)
    assert len([entry for entry in entries if entry.user_id == filled.ada]) == 4


def test_erased_again_nothing_changes(filled: World):
    erase(filled, filled.ada)
    with auditing(filled.engine, TENANT) as session:
        before = audit.listing(session, TENANT)[0].position
    assert erase(filled, filled.ada).before
    with auditing(filled.engine, TENANT) as session:
        assert audit.listing(session, TENANT)[0].position == before


KILLED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from actors.queue import passing
from schema.privacy import erasing
from tests.integration.personal import World

dsn, redis_url, amqp_url, folder, user_id, step = sys.argv[1:]
services = SimpleNamespace(redis=SimpleNamespace(url=redis_url), rabbitmq=SimpleNamespace(url=amqp_url))
steps = []
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def tell(share, what):
    steps.append(what)
    if what == step:
        die()
if step == "between two files":
    erasing.delete_unnamed = die
if step == "between confirm and acknowledgement":
    publish = passing.ConfirmingPublisher.publish
    passing.ConfirmingPublisher.publish = lambda self, messages: (publish(self, messages), die())
erasing.erase(World(services, dsn, Path(folder)).reach, 1, int(user_id), now_ns=1_800_000_000 * 10**9, tell=tell)
"""


@pytest.mark.parametrize(
    "step",
    [
        "ending sessions",
        "deleting exports",
        "between two files",
        "looking through queues",
        "between confirm and acknowledgement",
        "forgetting the account",
    ],
)
def test_an_erasure_that_is_killed_goes_on_when_it_is_repeated(filled: World, turnstile: Turnstile, step: str):
    where = (filled.dsn, filled.redis_url, filled.amqp_url, str(filled.folder), str(filled.ada), step)
    killed = subprocess.run([sys.executable, "-c", KILLED, *where], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert filled.found([NAME], queued={})["postgres"] == {NAME}
    code, said, _ = turnstile("privacy", "erase", EMAIL.upper(), "--yes", "--json")
    assert (code, json.loads(said)["erased_before"]) == (0, False)
    queued = assert_erased(filled)
    assert_queues_kept_all_else(filled, queued, twice=step == "between confirm and acknowledgement")
    assert turnstile("db", "audit", "verify")[0] == 0


def test_what_is_handed_out_is_all_that_was_filled_in(filled: World, turnstile: Turnstile, tmp_path: Path):
    code, said, _ = turnstile("privacy", "export", NAME, "--to", "hers", "--json")
    assert (code, json.loads(said)["missing_files"]) == (0, [])
    folder = tmp_path / "hers"
    parts = {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}
    profile = parts["profile"]
    assert (profile["username"], profile["email"], profile["role"], profile["has_password"]) == (
        NAME, EMAIL, "admin", True,
    )  # fmt: skip
    assert profile["last_login_at"] is not None
    assert [(one["ip_address"], one["user_agent"]) for one in parts["sessions"]] == [(a, BROWSER) for a in ADDRESSES]
    assert {one["ip_address"] for one in parts["addresses"]} == set(ADDRESSES)
    hers = [(one["table_name"], one["action"], one["ip_address"]) for one in parts["actions"] if one["user_id"]]
    assert sorted(hers) == sorted(
        (table, action, address)
        for address in ADDRESSES
        for table, action in (("cameras", "insert"), ("users", "read"))
    )
    assert [one["kind"] for one in parts["jobs"]] == ["export", "export", "export", "backfill"]
    assert parts["jobs"][-1]["arguments"]["video"] == f"/home/{NAME}/lobby.mp4"
    asked_for = [*filled.exports.values(), filled.shared]
    assert {one["sha256"] for one in parts["exports"]} == {one["sha256"] for one in asked_for}
    assert {file.stat().st_size for file in (folder / "exports").iterdir()} == {one["size"] for one in asked_for}
    assert [(one["id"], NAME in one["message"]) for one in parts["alerts"]] == [(filled.alert, True)]
    assert folder.stat().st_mode & 0o077 == 0
    with auditing(filled.engine, TENANT) as session:
        newest = audit.listing(session, TENANT)[0]
    assert (newest.action, newest.table, newest.record_id) == ("read", "users", filled.ada)
    assert turnstile("privacy", "export", NAME, "--to", "hers")[0] == 2
    assert json.loads(turnstile("privacy", "export", EMAIL, "--json")[1]).keys() == parts.keys()
    assert "2 sessions" in turnstile("privacy", "export", EMAIL)[1]
    assert (tmp_path / f"personal-data-{filled.ada}" / "profile.json").exists()


def test_a_dry_run_counts_and_changes_nothing(filled: World, turnstile: Turnstile):
    queued = filled.queued()
    before = filled.found(queued=queued)
    assert before["queues"] >= {NAME, EMAIL, ADDRESSES[0]}
    code, said, _ = turnstile("privacy", "erase", NAME, "--dry-run", "--json")
    counts = {(each["where"], each["what"]): each["count"] for each in json.loads(said)["done"]}
    assert code == 0
    assert counts[("table jobs", "open jobs cancelled")] == 1
    assert counts[("files export", "deleted")] == 2
    assert counts[("table alerts", "name blotted out")] == 2
    assert counts[(f"queue {ALERTS_QUEUE}", "looked through")] == 1202
    after = filled.queued()
    assert filled.found(queued=after) == before
    assert {name: sorted(bodies) for name, bodies in after.items()} == {
        name: sorted(bodies) for name, bodies in queued.items()
    }
    assert filled.session(filled.tokens[0]) is not None


def test_the_running_system_erases_as_a_job(filled: World, turnstile: Turnstile):
    from actors.jobs.task import Task
    from cluster.jobs import erase as handler

    code, said, _ = turnstile("privacy", "erase", NAME, "--yes", "--job", "--json")
    assert code == 0
    with transaction(filled.engine, TENANT) as session:
        job = jobs.get(session, json.loads(said)["job"])
    assert (job.kind, dict(job.arguments)) == ("erase", {"user_id": filled.ada, "force": False})
    result = handler(Task(job), reach=filled.reach)
    assert {"where": "files export", "what": "deleted", "count": 2} in result["done"]
    assert_erased(filled)


def test_the_last_who_may_manage_a_tenant_stays_unless_forced(empty: World):
    with transaction(empty.engine, TENANT) as session:
        admin, _ = (users.add(session, User(username=name, role=role)).id for name, role in
                    (("root", "admin"), ("eve", "viewer")))  # fmt: skip
    with pytest.raises(BadInput, match="nobody else may manage this tenant"):
        erase(empty, admin)
    with transaction(empty.engine, TENANT) as session:
        assert users.by_name(session, "root") is not None
        found = users.by_name(session, "root")
        assert found is not None
        assert found.is_active
    assert not erase(empty, admin, force=True).before


def test_a_person_of_another_tenant_is_neither_found_nor_touched(empty: World, turnstile: Turnstile):
    with owner_transaction(empty.engine) as session:
        other = tenants.add(session, Tenant(name="other")).id
    ids = {}
    for tenant_id in (TENANT, other):
        with transaction(empty.engine, tenant_id) as session:
            users.add(session, User(username="boss", role="admin"))
            ids[tenant_id] = users.add(session, User(username=NAME, email=EMAIL)).id
            user_sessions.create(session, ids[tenant_id], now_ns=NOW_NS, ttl_s=60, ip_address=ADDRESSES[0])
            alerts.raise_(session, Alert(type="a", severity="info", message=f"of {NAME}", raised_ns=NOW_NS))
    empty.relay()
    with pytest.raises(NotFound, match="no user"):
        erase(empty, ids[other])
    assert turnstile("privacy", "erase", NAME, "--yes", "--tenant", "other")[0] == 0
    told = [json.loads(body)["message"] for body in empty.queued()[ALERTS_QUEUE]]
    assert told == [f"of {NAME}", f"of erased-{ids[other]}"]
    with transaction(empty.engine, TENANT) as session:
        assert users.by_name(session, NAME) is not None
        assert users.by_email(session, EMAIL) is not None
        assert alerts.listing(session)[0].message == f"of {NAME}"
        assert user_sessions.revoke_all(session, ids[TENANT], now_ns=NOW_NS) == 1
    with transaction(empty.engine, other) as session:
        assert users.by_name(session, NAME) is None


@pytest.mark.parametrize("command", ["export", "erase"])
def test_somebody_unknown_is_refused_in_one_sentence(turnstile: Turnstile, command: str):
    for who in ("nobody", "nobody@example.org"):
        code, _, said = turnstile("privacy", command, who)
        assert code == 2
        assert f"there is no user '{who}'" in said


def test_a_name_like_that_of_the_erased_cannot_be_taken(empty: World):
    with (
        pytest.raises(BadInput, match="is kept for people who were erased"),
        transaction(empty.engine, TENANT) as session,
    ):
        users.add(session, User(username="erased-5"))


def test_somebody_whose_address_no_key_opens_is_erased_all_the_same(filled: World, monkeypatch: pytest.MonkeyPatch):
    import base64

    monkeypatch.setitem(
        os.environ,
        "TURNSTILE_KEYS",
        "\n".join(f"{n}:{base64.b64encode(32 * b'z').decode()}" for n in ("other", "index")),
    )
    assert not erase(filled, filled.ada).before
    assert filled.found([NAME, *ADDRESSES, PASSWORD])["postgres"] <= {ADDRESSES[0]}


def test_the_inventory_is_shown(turnstile: Turnstile):
    assert {place["whose"] for place in json.loads(turnstile("privacy", "inventory", "--json")[1])} == {
        "user", "passer-by", "nobody",
    }  # fmt: skip
    assert "user_sessions" in turnstile("privacy", "inventory")[1]
