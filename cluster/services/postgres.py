"""A private PostgreSQL."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import text

from cluster.packages import postgres_programs
from cluster.services.private import PrivateService
from schema.database.engine import make_engine
from schema.database.roles import APP, ROLES, SYSTEM, prepare_roles
from schema.errors import Permanent, StoreUnavailable

DATABASE = "turnstile"
USER = "turnstile"
OWNER = "turnstile_owner"
SERVICE = "turnstile_service"

# Durable (fsync and synchronous_commit stay on), small, and with room for tests that open many pools.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # A question that no time limits locks every partition and each of its indexes.
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    "wal_compression": "lz4",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_LOGINS = (
    f"create role {SERVICE} login noinherit nosuperuser nocreatedb nocreaterole",
    f"grant {APP}, {SYSTEM} to {SERVICE}",
    f"create role {OWNER} login nosuperuser nocreatedb nocreaterole",
    f"grant {', '.join(ROLES)} to {OWNER}",
)


class Postgres(PrivateService):
    """Makes its data folder, the database and two logins on first use.

    ``turnstile_service`` may act for tenants and for the system, and has no privilege until it does so.
    ``turnstile_owner`` owns the database, for migrations and partitions. The superuser ``turnstile`` makes both, and no
    part of the program works as him.
    """

    name = "PostgreSQL"
    key = "postgres"
    need = "postgresql"
    stop_signal = signal.SIGINT  # "fast": rolls back what is open instead of waiting for it

    @property
    def url(self) -> str:
        """The superuser's DSN of the database ``turnstile``."""
        return self._dsn(DATABASE)

    @property
    def service_url(self) -> str:
        """The DSN for everything but changing tables."""
        return self._login(SERVICE, self.passwords["postgres_service"])

    @property
    def owner_url(self) -> str:
        """The DSN for migrations, partitions and tenants."""
        return self._login(OWNER, self.passwords["postgres_owner"])

    def prepare(self) -> None:
        """Make the data folder, whole or not at all."""
        data = self._data
        if data.exists():
            return
        unfinished = data.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = self.folder / "password"
        self._write(password_file, self.password)
        try:
            done = subprocess.run(
                self._as_account(
                    [
                        str(_programs() / "initdb"),
                        f"--pgdata={unfinished}",
                        f"--username={USER}",
                        f"--pwfile={password_file}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        "--locale=C",
                        "--data-checksums",
                    ]
                ),
                env=self.environment(),
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            password_file.unlink()
        if done.returncode:
            raise Permanent(f"PostgreSQL could not make its data folder {data}: {done.stderr.strip()}")
        unfinished.rename(data)

    def command(self) -> Sequence[str]:
        """The server in the foreground, all settings on its command line."""
        options = [f"--{key}={value}" for key, value in {**_SETTINGS, "port": self.port}.items()]
        return [str(_programs() / "postgres"), "-D", str(self._data), *options]

    def ping(self) -> None:
        """Use the database; make it and its logins the first time, or the logins in a folder of the version before."""
        with _connected(self._dsn("postgres")) as connection:
            known = connection.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = %s", (DATABASE,))
            owner = known.fetchone()
            if owner is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        if owner != (OWNER,):
            self._make_logins()

    def _make_logins(self) -> None:
        """All at once or not at all; that the database has its owner says that it was done."""
        engine = make_engine(self.url, pool_size=1, role=None)
        try:
            with engine.begin() as connection:
                prepare_roles(connection)
                for statement in _LOGINS:
                    connection.execute(text(statement))
                for login, name in ((OWNER, "postgres_owner"), (SERVICE, "postgres_service")):
                    hidden = sql.Literal(self.passwords[name]).as_string()
                    connection.execute(text(f"alter role {login} password {hidden}"))
                connection.execute(text(f"alter database {DATABASE} owner to {OWNER}"))
        finally:
            engine.dispose()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _dsn(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def _login(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{DATABASE}"


def _programs() -> Path:
    found = postgres_programs()
    if found is None:
        raise Permanent("PostgreSQL was uninstalled while it was in use")
    return found


def ping_postgres(dsn: str) -> None:
    """Connect and ask for nothing.

    Raises:
        StoreUnavailable: it does not serve us now; says why.
    """
    with _connected(dsn):
        pass


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(dsn, connect_timeout=3, autocommit=True) as connection:
            yield connection
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0].rpartition("failed: ")[2]
        raise StoreUnavailable(reason) from error
