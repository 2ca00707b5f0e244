"""PostgreSQL: engines, transactions, and bringing a database to this program's version.

Nothing here prints an address's user or password: a server is named by host and port.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from schema.errors import BadInput, StoreUnavailable

CONNECT_TIMEOUT_S = 5
SILENCE_S = 15
_MIGRATION_LOCK = 7_463_001
# A server that is read-only (25006) has just been demoted: its successor will take the same transaction.
_READ_ONLY = "25006"


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationStatus:
    """Which revision a database is at (None: empty), and which one this program needs."""

    current: str | None
    head: str
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing is left to migrate."""
        return not self.pending


def open_engine(dsn: str, *, pool_size: int = 5) -> Engine:
    """A pool of checked connections; nothing is connected yet.

    Args:
        dsn: ``postgresql://…``, ``postgres://…`` or ``postgresql+psycopg://…``.
        pool_size: connections kept open, and no more than these are opened.

    Raises:
        BadInput: the address has another form.
    """
    return create_engine(
        _url(dsn),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "application_name": "turnstile",
            "connect_timeout": CONNECT_TIMEOUT_S,
            # A server that vanished without a word is noticed within this time, not the kernel's quarter of an hour.
            "keepalives_idle": SILENCE_S,
            "tcp_user_timeout": SILENCE_S * 1000,
        },
    )


@contextmanager
def transaction(engine: Engine) -> Generator[Session]:
    """A session in one transaction: committed at the end, rolled back on an error.

    Raises:
        StoreUnavailable: PostgreSQL did not answer or gave up for now; nothing was stored.
    """
    with unavailable_as_retryable(engine), Session(engine) as session, session.begin():
        yield session


@contextmanager
def unavailable_as_retryable(engine: Engine) -> Generator[None]:
    """Turn what passes by itself (no connection, restart, deadlock, demotion) into ``StoreUnavailable``."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable(f"PostgreSQL at {_place(engine.url)} has no free connection") from error
    except DBAPIError as error:
        if not (isinstance(error, OperationalError) or error.connection_invalidated or _is_read_only(error)):
            raise
        raise StoreUnavailable(f"PostgreSQL at {_place(engine.url)} did not answer: {_reason(error)}") from error


def migrate(dsn: str) -> MigrationStatus:
    """Bring the database to this program's version; only one caller at a time does, the others wait.

    Raises:
        BadInput: the server does not answer, or the database belongs to a newer version of this program.
    """
    with _connected(dsn) as connection:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if not _status(connection).is_current:
            command.upgrade(migration_config(connection), "head")
        return _status(connection)


def migration_status(dsn: str) -> MigrationStatus:
    """Which revision the database is at.

    Raises:
        BadInput: the server does not answer, or the database belongs to a newer version of this program.
    """
    with _connected(dsn) as connection:
        return _status(connection)


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection, without a file."""
    config = Config()
    config.set_main_option("script_location", "schema:migrations")
    config.attributes["connection"] = connection
    return config


def _status(connection: Connection) -> MigrationStatus:
    scripts = ScriptDirectory.from_config(migration_config(connection))
    order = [script.revision for script in scripts.walk_revisions()][::-1]
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in order:
        url = connection.engine.url
        raise BadInput(
            f"database '{url.database}' at {_place(url)} is at revision {current}, which this version does not know: "
            "upgrade turnstile, or take another database"
        )
    done = 0 if current is None else order.index(current) + 1
    return MigrationStatus(current=current, head=order[-1], pending=tuple(order[done:]))


@contextmanager
def _connected(dsn: str) -> Generator[Connection]:
    engine = open_engine(dsn, pool_size=1)
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise BadInput(
            f"PostgreSQL at {_place(engine.url)} does not take us: {_reason(error)}; start it or correct postgres_dsn"
        ) from None
    finally:
        engine.dispose()


def _url(dsn: str) -> URL:
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError):
        raise BadInput(
            "postgres_dsn is not an address: write it like postgresql://user:password@host:5432/name"
        ) from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise BadInput(f"postgres_dsn starts with {url.drivername}://: only postgresql:// will do")
    return url.set(drivername="postgresql+psycopg")


def _place(url: URL) -> str:
    hosts = url.query.get("host") or url.host or "localhost"
    place = hosts if isinstance(hosts, str) else ", ".join(hosts)
    return f"{place}:{url.port or 5432}" if isinstance(hosts, str) and ":" not in place else place


def _is_read_only(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == _READ_ONLY


def _reason(error: DBAPIError) -> str:
    """The server's own words in one line, without the address that libpq puts in front."""
    first = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    return first.rpartition(" failed: ")[2].removeprefix("FATAL:").strip()
