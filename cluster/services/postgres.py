"""A private PostgreSQL."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from cluster.packages import postgres_programs
from cluster.services.private import PrivateService
from schema.errors import Permanent, StoreUnavailable

DATABASE = "turnstile"
USER = "turnstile"

# Durable (fsync and synchronous_commit stay on), small, and with room for tests that open many pools.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_compression": "lz4",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(PrivateService):
    """Makes its data folder and the database on first use. ``turnstile`` is its superuser, with a password."""

    name = "PostgreSQL"
    key = "postgres"
    need = "postgresql"
    stop_signal = signal.SIGINT  # "fast": rolls back what is open instead of waiting for it

    @property
    def url(self) -> str:
        """The DSN of the database ``turnstile``."""
        return self._dsn(DATABASE)

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
        """Use the database; make it the first time."""
        with _connected(self._dsn("postgres")) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if not known.fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _dsn(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"


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
