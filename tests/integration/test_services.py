"""Private services: found again, restarted, ended; on loopback and with a password."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from alembic import command
from sqlalchemy import text

import schema
from cluster.services import Services
from cluster.services.rabbitmq import ping_rabbitmq
from cluster.services.remembered import recall
from schema.database import across_tenants, migrate, migration_config, migration_status, open_engine, transaction
from schema.database.engine import make_engine
from schema.database.roles import ROLES
from schema.errors import BadInput, StoreUnavailable
from schema.settings import Settings
from schema.tenants import DEFAULT_TENANT_ID

pytestmark = pytest.mark.integration


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="turnstile-services-"))
    folder.chmod(0o755)
    yield folder
    Services(Settings(home=folder)).stop()
    shutil.rmtree(folder)


def test_services_outlive_a_caller_that_crashes_and_stop_without_a_trace(home: Path):
    script = (
        "import os, sys; from pathlib import Path; from cluster.services import Services\n"
        "from schema.settings import Settings\n"
        "Services(Settings(home=Path(sys.argv[1]))).start(); os.kill(os.getpid(), 9)\n"
    )
    crashed = subprocess.run([sys.executable, "-c", script, str(home)], check=False)
    assert crashed.returncode == -9

    found = Services(Settings(home=home))
    pids = _pids(home)
    assert all(service.running for service in found.all)
    with found:
        assert _pids(home) == pids, "nothing was started twice"
    assert all(service.running for service in found.all), "what was found running is left running"

    members = [member for pid in pids for member in _family(pid)]
    found.stop()
    assert not any(service.running for service in found.all)
    assert not [member for member in members if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert not list(home.glob("*.process"))


def test_a_short_command_does_not_stop_what_another_has_come_to_use(home: Path):
    settings = Settings(home=home)
    long, short = Services(settings, database_only=True), Services(settings, database_only=True)
    with short:
        long.__enter__()
    assert long.postgres.running
    long.__exit__(None, None, None)


def test_only_loopback_is_listened_on(services: Services, services_home: Path):
    members = [member for pid in _pids(services_home) for member in _family(pid)]
    listening = {
        connection.laddr.ip
        for member in members
        for connection in member.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::1"}


def test_servers_run_without_root(services: Services, services_home: Path):
    assert all(psutil.Process(pid).uids().effective != 0 for pid in _pids(services_home))


def test_secrets_can_be_read_by_their_owner_only(services: Services, services_home: Path):
    data = recall(services_home).data
    assert (services_home / "services.json").stat().st_mode & 0o077 == 0
    assert all((data / name).stat().st_mode & 0o077 == 0 for name in ("postgres", "redis", "rabbitmq"))


def test_a_wrong_password_is_refused(services: Services):
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(services.postgres.url.replace(services.postgres.password, "wrong"))
    wrong = services.redis.url.replace(services.redis.password, "wrong")
    with redis.Redis.from_url(wrong) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with pytest.raises(StoreUnavailable, match="password"):
        ping_rabbitmq(services.rabbitmq.url.replace(services.rabbitmq.password, "wrong"))


def test_postgres_keeps_its_rows_and_its_port_over_a_crash(services: Services):
    with psycopg.connect(services.postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    url = services.postgres.url
    services.postgres.kill()
    assert not services.postgres.running
    services.postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        connection.execute("DROP TABLE kept")


def test_the_program_logs_in_as_somebody_who_sees_nothing_by_himself(home: Path):
    with Services(Settings(home=home), database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        for dsn in (services.endpoints.postgres_dsn, services.endpoints.postgres_owner_dsn):
            assert migration_status(dsn).too_powerful_login is None
        with psycopg.connect(services.endpoints.postgres_dsn, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM cameras")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SET ROLE turnstile_migrator")
        engine = open_engine(services.endpoints.postgres_dsn)
        with across_tenants(engine) as session:
            assert session.scalar(text("select count(*) from tenants")) == 1
        engine.dispose()
        assert migration_status(services.postgres.url).too_powerful_login == "turnstile"


def test_a_database_made_as_the_readme_says_is_all_that_is_needed(home: Path):
    readme = Path(schema.__file__).with_name("README.md").read_text()
    given = readme.partition("As its superuser:")[2].partition("\n## ")[0].replace("…", "hush")
    with Services(Settings(home=home), database_only=True) as services:
        with psycopg.connect(services.postgres.url, autocommit=True) as connection:
            for statement in given.replace("database turnstile", "database given").split(";"):
                if "role turnstile_" not in statement:  # a private server has these already
                    connection.execute(statement)
        place = f"127.0.0.1:{services.postgres.port}/given"
        migrate(f"postgresql://my_owner:hush@{place}")
        engine = open_engine(f"postgresql://my_service:hush@{place}")
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            session.execute(text("insert into cameras (name, source) values ('lobby', 'rtsp://lobby')"))
        with across_tenants(engine) as session:
            assert session.scalar(text("select count(*) from leases")) == 0
        engine.dispose()


def test_an_owner_who_may_not_make_roles_is_told_what_a_superuser_has_to_do(home: Path):
    with Services(Settings(home=home), database_only=True) as services:
        with psycopg.connect(services.postgres.url, autocommit=True) as connection:
            connection.execute("create role modest login password 'hush'")
            connection.execute("create database given owner modest")
        with pytest.raises(BadInput, match=r"as a superuser, create the roles turnstile_migrator, .* grant them"):
            migrate(f"postgresql://modest:hush@127.0.0.1:{services.postgres.port}/given")


def test_a_folder_of_the_release_before_goes_on_with_its_data(home: Path):
    settings = Settings(home=home)
    with Services(settings, database_only=True) as services:
        _as_release_0_1_left_it(services.postgres.url, home)
    with Services(settings, database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn)
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            assert session.scalars(text("select name from cameras")).all() == ["lobby"]
        engine.dispose()
    assert Services(settings).endpoints == services.endpoints, "the new passwords are remembered"


def _as_release_0_1_left_it(dsn: str, home: Path) -> None:
    """Everything the superuser's own, the first revision, no other logins."""
    engine = make_engine(dsn, pool_size=1, role=None)
    with engine.begin() as connection:
        connection.execute(text("alter database turnstile owner to turnstile"))
        for role in (*ROLES, "turnstile_owner", "turnstile_service"):
            connection.execute(text(f"drop owned by {role}; drop role {role}"))
        command.upgrade(migration_config(connection), "0001")
        connection.execute(text("insert into cameras (name, source) values ('lobby', 'rtsp://lobby')"))
    engine.dispose()
    file = home / "services.json"
    known = json.loads(file.read_text())
    del known["passwords"]["postgres_owner"], known["passwords"]["postgres_service"]
    file.write_text(json.dumps(known))


def test_redis_restarts_empty(services: Services):
    with redis.Redis.from_url(services.redis.url) as client:
        client.set("seen", 1)
        services.redis.stop()
        services.redis.start()
        assert client.get("seen") is None, "a running system may have filled in its totals, but nothing was kept"


def test_rabbitmq_comes_back_after_a_crash_at_the_same_address(services: Services):
    url = services.rabbitmq.url
    services.rabbitmq.kill()
    with pytest.raises(StoreUnavailable, match="refused"):
        ping_rabbitmq(url)
    services.rabbitmq.start()
    ping_rabbitmq(url)


def test_a_port_that_a_stranger_took_is_exchanged(home: Path):
    taken = recall(home).ports["redis"]
    with socket.create_server(("127.0.0.1", taken)):
        services = Services(Settings(home=home))
        services._choose_free_ports()
        assert services.redis.port != taken
        assert recall(home).ports["redis"] == services.redis.port


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("postgres_dsn", "postgresql://me:hush@127.0.0.1:{port}/db"),
        ("redis_url", "redis://:hush@127.0.0.1:{port}/0"),
        ("amqp_url", "amqp://me:hush@127.0.0.1:{port}/"),
    ],
)
def test_a_given_server_that_is_down_is_named_without_its_password(home: Path, key: str, url: str):
    port = recall(home).ports["epmd"]
    given = Services(Settings(home=home, **{key: url.format(port=port)}))
    service = next(service for service in given.all if service.url == url.format(port=port))
    with pytest.raises(BadInput, match=rf"127\.0\.0\.1:{port} .*refused.* correct {key}") as caught:
        service.start()
    assert "hush" not in str(caught.value)


def _pids(home: Path) -> set[int]:
    return {json.loads(record.read_text())["pid"] for record in home.glob("*.process")}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
